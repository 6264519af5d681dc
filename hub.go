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

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/engine/memory"
)

// Options are a hub's settings. The zero value works.
type Options struct {
	// Engine keeps and carries the publications. Nil means a new [memory.Engine] with
	// its defaults, which the hub closes; a given engine is its owner's to close.
	Engine engine.Engine

	// Node is the hub's name among the nodes of a cluster, which becomes a part of each session's
	// ID; see [ValidNode]. "" means that there are no other nodes.
	Node string

	// MaxSessions is how many sessions may be open at once; 0 means no bound.
	MaxSessions int

	// MaxChannels is how many channels one session may join. 0 means
	// [DefaultMaxChannels].
	MaxChannels int

	// PingInterval is how often each session is pinged, for the first time after
	// half to one and a half of it; 0 means never.
	PingInterval time.Duration

	// PongTimeout is how long after a ping a peer of which nothing was heard
	// is given up, with ErrPingTimeout. 0 means as long as PingInterval, which
	// is the most that it can be. It is rounded up to the next 1/64 of that, and
	// to two of them at least.
	PongTimeout time.Duration

	// AnonymousTimeout is how long a session may be anonymous without a break,
	// looked at once a second; 0 means for ever.
	AnonymousTimeout time.Duration

	// Valid tells whether a grant is still valid. It is asked after a session has
	// become the grant's, and must be quick. [ErrRulesChanged] says that its token is, and
	// gives another grant now. Nil means that all are.
	Valid func(*access.Grant) error

	// MaxUserSessions and MaxUserChannels bound the sessions of one user whom a backend
	// has named, and the channels that they have joined together; 0 means no bound.
	MaxUserSessions, MaxUserChannels int

	// MaxAddressSessions bounds the sessions from one address that is in none of
	// ExemptAddresses; 0 means no bound.
	MaxAddressSessions int
	ExemptAddresses    []netip.Prefix

	// MaxAddressChannels bounds the channels that all sessions from one such address have joined in
	// total; 0 means no bound.
	MaxAddressChannels int

	// ChannelMemory is how many bytes the channels that sessions have joined may cost in total:
	// about 0.7 KB and twice its name for a channel, 110 bytes for each session on it, and some
	// hundred bytes more with presence. The engine's history does not count. Over the limit, joins
	// fail with [ErrTooManyJoinedChannels]; 0 means no bound.
	ChannelMemory int64

	// PeerMemory is how many bytes the hub and its transports hold for all peers together: requests
	// that have arrived in part, answers that wait to be read, copies that connections are writing.
	// An address outside ExemptAddresses gets an eighth of it, a user that a backend has named a
	// sixteenth, and the answers to one session a thirty-second. 0 means [DefaultPeerMemory].
	PeerMemory int64

	// PresenceLinger is for how long a session whose connection was lost is still
	// taken for present. 0 means not at all.
	PresenceLinger time.Duration

	// PresenceUsers is how many users a channel may have before they are only
	// counted. 0 means [DefaultPresenceUsers].
	PresenceUsers int

	// Rules are the channels' rules. Nil means that each has the zero [Rule].
	Rules *Rules

	// EngineTimeout is how long one call of the engine may take before the request fails with
	// [ErrEngineTimeout]. EngineCalls is how many calls for sessions may be under way before
	// further requests fail with [ErrEngineBusy]; as many again may be under way for [Hub.Publish]
	// and the hub's other methods. 0 means [DefaultEngineTimeout] and [DefaultEngineCalls]. A
	// [memory.Engine] never waits, so these limits do not apply to it.
	EngineTimeout time.Duration
	EngineCalls   int

	// Sweepers is how many goroutines write to sessions. 0 means one for each
	// processor that Go may use.
	Sweepers int
}

// DefaultPresenceUsers is how many users a channel names at most by default.
const DefaultPresenceUsers = 1000

// DefaultMaxChannels is how many channels a session may join by default.
const DefaultMaxChannels = 1000

// A Hub carries publications from its engine to its sessions. A process has one.
// All methods may be called by many goroutines at once.
//
// Lock order, each before those after it: Session.mu, channelShard.mu, the engine's locks,
// presence.mu, channel.mu, group.mu, queue.mu; registry.mu after Session.mu; ledger.mu last.
type Hub struct {
	options    Options
	engine     engine.Engine
	ownsEngine bool
	instant    bool // the engine is immediate: its calls never wait
	channels   channelMap
	calls      gate           // calls of the engine, except for stop
	follows    sync.WaitGroup // channels that the engine follows, or stops to follow
	bounds     engineBounds
	queue      queue
	registry   registry
	ledger     ledger
	room       channelRoom
	expiring   atomic.Int64 // sessions whose grant has an end
	stats      hubStats
	ctx        context.Context // of what runs until Close
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
}

// New returns a running hub. End it with [Hub.Shutdown]. It panics if Options.Node is not valid.
func New(o Options) *Hub {
	if o.Node != "" && !ValidNode(o.Node) {
		panic(fmt.Sprintf("boreas: Options.Node is %q: a node's name has 1 to %d lower-case letters and digits", o.Node, MaxNode))
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
	if h.engine == nil {
		h.engine, h.ownsEngine = memory.New(memory.Options{}), true
	}
	if e, ok := h.engine.(engine.Immediate); ok {
		h.instant = e.Immediate()
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
		h.goroutines.Go(func() { newSweeper(h).run() })
	}
	if o.PingInterval > 0 {
		h.goroutines.Go(h.pinger)
	}
	h.goroutines.Go(h.expirer)
	return h
}

// EngineWaits reports whether a call of the engine may wait for something other than the
// processor, in which case it must not be made on a goroutine that others need.
func (h *Hub) EngineWaits() bool { return !h.instant }

// Publish appends the message to the channel's log, and returns its position once the
// engine has accepted it. It does not wait for any session. Errors: [access.ErrChannelName],
// [ErrKey], [ErrEngineBusy], [ErrEngineTimeout], and those of the engine's Publish.
func (h *Hub) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	if err := validItem(channel, m); err != nil {
		return engine.Ack{}, err
	}
	return h.publish(ctx, forBackend, channel, m)
}

// PublishMany publishes messages in their order and returns a result for each, once the engine has
// accepted or refused it. An engine that is an [engine.Batcher] gets all of them in one call. After
// an [ErrEngineTimeout] no further message is published: each would wait as long again. The errors
// of a result are those of Publish.
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
		if r.Err == nil {
			h.countPublish(valid[k].Message, r.Ack)
		}
	}
	return results
}

// publish publishes a valid message.
func (h *Hub) publish(ctx context.Context, c caller, channel string, m engine.Message) (engine.Ack, error) {
	ack, err := h.callPublish(ctx, c, channel, m)
	if err != nil {
		return engine.Ack{}, err
	}
	h.countPublish(m, ack)
	return ack, nil
}

// validItem returns an error if the message cannot be published on the channel.
func validItem(channel string, m engine.Message) error {
	if err := access.ValidChannel(channel); err != nil {
		return err
	}
	if len(m.Key) > engine.MaxKey {
		return ErrKey
	}
	return nil
}

// countPublish counts a message that the engine has accepted.
func (h *Hub) countPublish(m engine.Message, ack engine.Ack) {
	if ack.Duplicate {
		h.stats.duplicates.Add(1)
		return
	}
	h.stats.publishes.Add(1)
	h.stats.publishBytes.Add(uint64(len(m.Data)))
}

// MayPublish returns nil if who has the grant may publish on the channel: if the grant
// allows it, and the channel's rule lets clients. Errors: [access.ErrChannelName], those of
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

// Reserve makes room for a session, before its connection is set up: what there is
// no room for can still be refused in the transport's own way. [Session.Start] makes
// it live. The transport must call [Session.Done] once the connection is closed,
// also if it was never started. The address is the peer's; it may be invalid if that is
// not known. Errors: [ErrTooManySessions], [ErrTooManyAddressSessions], [ErrShuttingDown].
func (h *Hub) Reserve(address netip.Addr) (*Session, error) {
	if err := h.registry.reserve(address); err != nil {
		return nil, err
	}
	return &Session{hub: h, address: address}, nil
}

// Sessions returns how many sessions take up room: reserved, live, or ended with their
// connection not closed yet.
func (h *Hub) Sessions() int {
	h.registry.mu.Lock()
	defer h.registry.mu.Unlock()
	return h.registry.open
}

// acquire returns the channel with one more reference. The first reference starts to follow it
// in the engine. Errors: [ErrTooManyJoinedChannels], [engine.ErrClosed] once the hub has shut down, and
// those of Follow.
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
	switch {
	case created && h.instant:
		ch.open(h)
	case created:
		// On a goroutine of its own, because others may wait for it longer than ctx lasts.
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

// release releases a reference. The caller holds no lock, because an engine may be slow.
func (h *Hub) release(ch *channel) {
	h.room.add(-subscriptionCost)
	h.unref(ch)
}

// unref releases a reference that does not count as a subscription.
func (h *Hub) unref(ch *channel) {
	if !h.channels.release(ch) {
		return
	}
	h.room.add(-ch.cost())
	if ch.presence != nil {
		ch.presence.close()
	}
	ch.unfollow(h)
}

func (h *Hub) newChannel(name string) *channel {
	name = strings.Clone(name) // it may be a substring of a whole request
	ch := newChannel(name, &h.queue)
	ch.rule = h.options.Rules.For(name)
	if mode := ch.rule.Presence; mode != PresenceOff {
		ch.presence = newPresence(&h.queue, name, presenceOptions{mode: mode, maxUsers: h.options.PresenceUsers, linger: h.options.PresenceLinger, room: &h.room})
	}
	h.room.add(ch.cost())
	return ch
}

// pinger pings each session once an interval, and ends those that have not
// answered the last ping. It needs no timer for each session: the registry keeps
// them in pingSlots slots, and each tick is the turn of one slot.
func (h *Hub) pinger() {
	tick := time.NewTicker(max(h.options.PingInterval/pingSlots, time.Millisecond))
	defer tick.Stop()
	// Rounded up, and two at least: ticks can come late and then two at a time.
	interval := h.options.PingInterval
	behind := min(max(int((h.options.PongTimeout*pingSlots+interval-1)/interval), 2), pingSlots)
	for slot := 0; ; slot = (slot + 1) % pingSlots {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
		}
		// First the timeouts: with the longest timeout both are the same slot.
		for _, s := range h.registry.slot((slot - behind + pingSlots) % pingSlots) {
			s.checkPong()
		}
		for _, s := range h.registry.slot(slot) {
			s.ping(h.options.PingInterval)
		}
	}
}
