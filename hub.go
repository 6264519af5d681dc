package boreas

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/pulse"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// Options are a hub's settings. The zero value works.
type Options struct {
	// Engine keeps and delivers the publications. Nil means a new [memory.Engine] with default
	// options and the Retention of the Rules, which the hub closes. If Engine is given, its owner
	// closes it, and tells it the limits of each channel.
	Engine engine.Engine

	// Node is the hub's name among the nodes of a cluster; see [ValidNode]. It becomes a part of
	// each session's ID. "" means that there are no other nodes.
	Node string

	// MaxSessions is the maximum number of open sessions; 0 means unlimited.
	MaxSessions int

	// MaxChannels is the maximum number of channels that one session may join. 0 means
	// [DefaultMaxChannels].
	MaxChannels int

	// PingInterval is how often each session is pinged; 0 means never. The first ping comes after
	// at most one and a half intervals.
	PingInterval time.Duration

	// PongTimeout is how long after a ping the hub waits for any bytes from the client, before the
	// session ends with [ErrPingTimeout]. It is at most PingInterval; 0 means PingInterval. It is
	// rounded up to a multiple of PingInterval/64, and is at least two of them.
	PongTimeout time.Duration

	// AnonymousTimeout is how long a session may be anonymous without interruption, before it ends
	// with [ErrAnonymousTimeout]. The hub checks it once per second. 0 means unlimited.
	AnonymousTimeout time.Duration

	// Valid returns nil if a grant is still valid. The hub calls it just after it has given a
	// session the grant, and it must be fast. [ErrRulesChanged] means that the token is valid, but
	// its rules have changed. See [Session.Authenticate] for the effect of an error. If Valid is
	// nil, all grants stay valid.
	Valid func(*access.Grant) error

	// MaxUserSessions and MaxUserChannels limit the sessions of one user, and the channels that
	// they have joined together. They apply only to users with a name of their own; see
	// [access.Grant.HasUser]. 0 means unlimited.
	MaxUserSessions, MaxUserChannels int

	// MaxAddressSessions limits the sessions from one address that is not in ExemptAddresses; 0
	// means unlimited.
	MaxAddressSessions int
	ExemptAddresses    []netip.Prefix

	// MaxAddressChannels limits the channels that all sessions from one such address have joined
	// together; 0 means unlimited.
	MaxAddressChannels int

	// ChannelMemory is the maximum cost in bytes of the channels that sessions have joined: about
	// 0.7 KB and twice its name for a channel, 110 bytes for each session on it, and some hundred
	// bytes more with presence. The engine's history does not count. Over the limit, joins fail
	// with [ErrTooManyJoinedChannels]. 0 means unlimited.
	ChannelMemory int64

	// PeerMemory is the maximum number of bytes that the hub and its transports hold for all peers
	// together: partly received requests, unread answers, copies that connections are writing. An
	// address outside ExemptAddresses may use an eighth of it, a user with a name of its own a
	// sixteenth, and the answers to one session a thirty-second. 0 means [DefaultPeerMemory].
	PeerMemory int64

	// PresenceLinger is how long a session still counts as present after its connection was lost. 0
	// means that it leaves at once.
	PresenceLinger time.Duration

	// PresenceUsers is the maximum number of users that presence names on a channel. With more
	// users, presence only counts them. 0 means [DefaultPresenceUsers].
	PresenceUsers int

	// PresenceChanged receives the changes of the presence of this hub's sessions, for the other nodes
	// of a cluster; see [OtherNode]. The changes of one channel come in order. The function is called
	// with locks of the hub held: it must not wait, and must not call the hub. Nil means that there are
	// no other nodes.
	PresenceChanged func(PresenceChange)

	// Rules are the channels' rules. Nil means that every channel has the zero [Rule]. See
	// [Hub.SetRules].
	Rules *Rules

	// EngineTimeout is the maximum duration of a call of the engine; then the request fails with
	// [ErrEngineTimeout]. EngineCalls is the maximum number of calls under way for sessions;
	// further requests fail with [ErrEngineBusy]. As many calls again may be under way for
	// [Hub.Publish] and the hub's other methods. 0 means [DefaultEngineTimeout] and
	// [DefaultEngineCalls]. These limits do not apply to an engine that never waits, such as a
	// [memory.Engine]; see [engine.Immediate].
	EngineTimeout time.Duration
	EngineCalls   int

	// Tail, if not nil, receives what happens: messages, sessions, gaps, presence. It is for operators
	// who watch.
	Tail *tail.Log

	// Sweepers is the number of goroutines that write to sessions. 0 means one for each processor
	// that Go may use.
	Sweepers int
}

// DefaultPresenceUsers is the default of Options.PresenceUsers.
const DefaultPresenceUsers = 1000

// DefaultMaxChannels is the default of Options.MaxChannels.
const DefaultMaxChannels = 1000

// A Hub delivers publications from its engine to its sessions. A process needs only one. Its
// methods may be called by many goroutines at once.
//
// Lock order, first to last: Session.mu, channelShard.mu, the engine's locks, delivery.mu,
// presence.mu, channel.mu, group.mu, queue.mu. The registry's mu comes after Session.mu,
// node.mu after presence.mu, and ledger.mu is always the last.
type Hub struct {
	// Immutable after New.
	options    Options
	engine     engine.Engine
	ownsEngine bool
	instant    bool            // the engine is immediate: its calls never wait
	peeker     engine.Peeker   // the engine, if it is one
	counter    engine.Counter  // the engine, if it is one
	punctual   bool            // the engine keeps the deadlines of publishes
	ctx        context.Context // ends at the end of Shutdown
	cancel     context.CancelFunc
	sweeping   []*pulse.Pulse // of the sweepers

	// Each has its own lock or is atomic.
	rules      atomic.Pointer[Rules] // in force
	ruling     sync.Mutex            // held by SetRules
	channels   channelMap
	calls      gate           // calls of the engine, except for stop
	follows    sync.WaitGroup // channels that the engine follows, or whose stop is under way
	bounds     engineBounds
	queue      queue
	registry   registry
	ledger     ledger
	room       channelRoom
	encodings  encodings
	stretches  stretches
	expiring   atomic.Int64 // number of sessions whose grant expires
	stats      hubStats
	goroutines sync.WaitGroup // sweepers, pinger, expirer, catching-up goroutines and log watches
}

// New starts a hub. Call [Hub.Shutdown] to stop it. New panics if Options.Node is not valid.
func New(o Options) *Hub {
	if o.Node != "" && !ValidNode(o.Node) {
		panic(fmt.Sprintf("boreas: Options.Node is %q: a node's name has 1 to %d letters, digits and \"-\"", o.Node, MaxNode))
	}
	if o.MaxChannels == 0 {
		o.MaxChannels = DefaultMaxChannels
	}
	if o.PongTimeout == 0 || o.PongTimeout > o.PingInterval {
		o.PongTimeout = o.PingInterval
	}
	if o.PresenceUsers == 0 {
		o.PresenceUsers = DefaultPresenceUsers
	}
	if o.Sweepers == 0 {
		o.Sweepers = runtime.GOMAXPROCS(0)
	}
	h := &Hub{options: o, engine: o.Engine}
	h.rules.Store(o.Rules)
	if h.engine == nil {
		limits := func(channel string) engine.Retention { return h.Rule(channel).Retention }
		h.engine, h.ownsEngine = memory.New(memory.Options{Limits: limits}), true
	}
	if e, ok := h.engine.(engine.Immediate); ok {
		h.instant = e.Immediate()
	}
	h.peeker, _ = h.engine.(engine.Peeker)
	h.counter, _ = h.engine.(engine.Counter)
	if e, ok := h.engine.(engine.Punctual); ok {
		h.punctual = e.Punctual()
	}
	h.channels.init()
	h.calls.init()
	h.bounds.init(&h.options)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.queue.init()
	h.registry.init(&o)
	h.ledger.init(&o)
	h.room.max = o.ChannelMemory
	for range o.Sweepers {
		w := newSweeper(h)
		h.sweeping = append(h.sweeping, w.pulse)
		h.goroutines.Go(w.run)
	}
	if o.PingInterval > 0 {
		h.goroutines.Go(h.pinger)
	}
	h.goroutines.Go(h.expirer)
	return h
}

// EngineWaits reports whether a call of the engine may wait for something other than the processor.
// Such a call must not be made on a goroutine that others need.
func (h *Hub) EngineWaits() bool { return !h.instant }

// Publish appends the message to the channel's log, and returns its position once the engine has
// accepted it. It does not wait for any session. Errors: [access.ErrChannelName], [ErrKey],
// [ErrEngineBusy], [ErrEngineTimeout], and those of the engine's Publish.
func (h *Hub) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	if err := validItem(channel, m); err != nil {
		return engine.Ack{}, err
	}
	return h.publish(ctx, nil, channel, m)
}

// PublishMany publishes messages in order, and returns a result for each once the engine has
// accepted or refused it. An [engine.Batcher] gets all of them in one call. For any other engine,
// no further message is published after an [ErrEngineTimeout], because each would wait as long
// again. The errors of the results are those of Publish.
func (h *Hub) PublishMany(ctx context.Context, items []engine.Item) []engine.Result {
	results := make([]engine.Result, len(items))
	valid := make([]engine.Item, 0, len(items))
	index := make([]int, 0, len(items)) // of each valid item
	for i, item := range items {
		if results[i].Err = validItem(item.Channel, item.Message); results[i].Err == nil {
			valid, index = append(valid, item), append(index, i)
		}
	}
	for k, r := range h.callPublishMany(ctx, forBackend, valid) {
		results[index[k]] = r
		h.countPublish(ctx, nil, valid[k].Channel, valid[k].Message, r.Ack, r.Err)
	}
	return results
}

// publish publishes a valid message for a session, or for a backend if by is nil.
func (h *Hub) publish(ctx context.Context, by *Session, channel string, m engine.Message) (engine.Ack, error) {
	c := forBackend
	if by != nil {
		c = forSession
	}
	ack, err := h.callPublish(ctx, c, channel, m)
	h.countPublish(ctx, by, channel, m, ack, err)
	if err != nil {
		return engine.Ack{}, err
	}
	return ack, nil
}

// validItem returns an error if the message must not be published on the channel.
func validItem(channel string, m engine.Message) error {
	if err := access.ValidChannel(channel); err != nil {
		return err
	}
	if len(m.Key) > engine.MaxKey {
		return ErrKey
	}
	return nil
}

// countPublish counts a message that the engine has accepted or refused.
func (h *Hub) countPublish(ctx context.Context, by *Session, channel string, m engine.Message, ack engine.Ack, err error) {
	switch {
	case err != nil:
		h.stats.refusePublish(err)
	case ack.Duplicate:
		h.stats.duplicates.Add(1)
	default:
		h.stats.publishes.Add(1)
		h.stats.publishBytes.Add(uint64(len(m.Data)))
		h.tellPublished(ctx, by, channel, m, ack.Position)
	}
}

// MayPublish returns nil if a client with the grant may publish on the channel: if the grant allows
// it, and the channel's rule has ClientPublish. Errors: [access.ErrChannelName], those of
// [access.Grant.May], [access.ErrNotPermitted].
func (h *Hub) MayPublish(g *access.Grant, channel string) error {
	if err := access.ValidChannel(channel); err != nil {
		return err
	}
	if err := g.May(access.VerbPublish, channel); err != nil {
		return err
	}
	if !h.Rule(channel).ClientPublish {
		return access.ErrNotPermitted
	}
	return nil
}

// Reserve reserves a session before its connection is set up, so that the transport can still
// refuse the client in its own way. [Session.Start] makes the session live. The transport must call
// [Session.Done] once the connection is closed, even if the session was never started. The address
// is the client's; it is invalid if unknown. Errors: [ErrTooManySessions],
// [ErrTooManyAddressSessions], [ErrShuttingDown].
func (h *Hub) Reserve(address netip.Addr) (*Session, error) {
	if err := h.registry.reserve(address); err != nil {
		return nil, err
	}
	return &Session{hub: h, address: address}, nil
}

// Sessions returns the number of open sessions: those that are reserved, live, or ended with a
// connection that is not closed yet.
func (h *Hub) Sessions() int {
	h.registry.mu.Lock()
	defer h.registry.mu.Unlock()
	return h.registry.open
}

// acquire returns the channel with one more reference. With the first reference, the hub starts to
// follow the channel in the engine. Errors: [ErrTooManyJoinedChannels], [engine.ErrClosed] once the
// hub has shut down, those of ctx, and those of Follow.
func (h *Hub) acquire(ctx context.Context, name string) (*channel, error) {
	if !h.calls.enter() {
		return nil, engine.ErrClosed
	}
	defer h.calls.leave()
	if err := h.room.take(subscriptionCost); err != nil {
		return nil, err
	}
	ch, created, opening := h.channels.acquire(name, h.newChannel)
	held := false
	defer func() {
		if !held { // even if the engine panics
			h.release(ch)
		}
	}()
	if created {
		h.follows.Add(1) // here, where the gate keeps Shutdown from waiting for it; open or unfollow ends it
	}
	switch {
	case created && h.followsNow():
		ch.open(h)
	case created:
		// Open it in a goroutine of its own, because others may wait for it longer than ctx lasts.
		h.channels.again(ch)
		go func() {
			defer h.unref(ch)
			ch.open(h)
		}()
		fallthrough
	case opening != nil:
		select {
		case <-opening:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if ch.err != nil {
		return nil, ch.err
	}
	held = true
	return ch, nil
}

// release releases a reference. The caller holds no lock, because the engine may be slow.
func (h *Hub) release(ch *channel) {
	h.room.add(-subscriptionCost)
	h.unref(ch)
}

// unref releases a reference that does not count as a subscription.
func (h *Hub) unref(ch *channel) {
	last, over := h.channels.release(ch)
	if !last {
		return
	}
	h.room.add(-ch.cost())
	if over {
		ch.presence.close()
	}
	ch.unfollow(h)
}

// newChannel returns a new channel. The caller holds the lock of the channel's shard.
func (h *Hub) newChannel(name string) *channel {
	name = strings.Clone(name) // it may be a substring of a whole request
	ch := newChannel(name, &h.queue)
	rule := h.Rule(name)
	ch.rule.Store(rule)
	if rule.Presence != PresenceOff {
		ch.presence = h.channels.shard(name).use(h, ch)
	}
	h.room.add(ch.cost())
	return ch
}

// pinger pings each session once per interval, and ends sessions that have not answered the last
// ping. It needs no timer per session: the registry keeps the sessions in pingSlots slots, and each
// tick serves one slot.
func (h *Hub) pinger() {
	tick := time.NewTicker(max(h.options.PingInterval/pingSlots, time.Millisecond))
	defer tick.Stop()
	// Rounded up, and at least two: a tick can be late, and then two come together.
	interval := h.options.PingInterval
	behind := min(max(int((h.options.PongTimeout*pingSlots+interval-1)/interval), 2), pingSlots)
	for slot := 0; ; slot = (slot + 1) % pingSlots {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
		}
		// The timeouts first: with the longest timeout both loops have the same slot.
		for _, s := range h.registry.slot((slot - behind + pingSlots) % pingSlots) {
			s.checkPong()
		}
		for _, s := range h.registry.slot(slot) {
			s.ping(h.options.PingInterval)
		}
	}
}
