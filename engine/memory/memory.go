package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/clock"
)

// MemoryOptions bounds what a [Engine] keeps. The zero value works.
type Options struct {
	// Messages is how many publications a channel keeps. 0 means
	// [DefaultMessages], a negative number none.
	Messages int

	// Bytes is how many bytes of messages a channel keeps. 0 means
	// [DefaultBytes]. The newest publication is kept whatever its size.
	Bytes int64

	// Age is how long a publication is kept. 0 means [DefaultAge].
	Age time.Duration

	// Memory is a ceiling for the bytes of all channels together, overhead
	// included as an estimate. Above it the oldest publications of all are
	// dropped. 0 means [DefaultMemory].
	Memory int64

	// Limits gives a channel its own bounds, where they are not zero, in place of
	// Messages, Bytes and Age. It is asked when a channel's log is made, by many
	// goroutines at once. Nil means that all channels have those.
	Limits func(channel string) engine.Retention

	// KeyWindow is how long an idempotency key is remembered. 0 means
	// [DefaultKeyWindow]; with a negative one keys mean nothing.
	KeyWindow time.Duration
}

// What a [Engine] keeps by default: enough to come back to after a few minutes.
const (
	DefaultMessages  = 10_000
	DefaultBytes     = 16 << 20
	DefaultAge       = 5 * time.Minute
	DefaultMemory    = 256 << 20
	DefaultKeyWindow = 2 * time.Minute
)

const (
	// memoryShards spreads the channels over maps with a lock each, so that
	// publishers to different channels seldom meet.
	shards = 64

	// publicationOverhead is the cost of keeping a publication in addition to its bytes: the
	// struct, its place and time in the log, rounding by the allocator.
	publicationOverhead = 80

	// logOverhead is the cost of an empty log: the struct, the map entry.
	logOverhead = 256

	// idleShare is the part of the ceiling that idle logs may take, as long as nothing
	// else needs it.
	idleShare = 8
)

// Memory is the engine that keeps publications in this process's memory. Its epoch
// is new with each NewMemory: what it kept ends with the process.
type Engine struct {
	options Options
	epoch   uint64
	seed    maphash.Seed
	shards  [shards]shard

	used        atomic.Int64 // bytes of kept publications and of idle logs, including overhead
	idleBytes   atomic.Int64 // of that, for idle logs
	clientBytes atomic.Int64 // of that, for logs of classClients, without keys
	logs        atomic.Int64 // except those that are only followed
	followed    atomic.Int64 // logs that are only followed
	kept        atomic.Int64 // publications in all logs
	keys        atomic.Int64 // in all logs
	keyShares   keyShares
	evicted     [evictedCauses]atomic.Uint64

	evictor evictor
	idle    idleLogs
	stop    context.CancelFunc
	done    chan struct{}
	closed  atomic.Bool
}

// memoryShard is a part of the channels: those whose names have the same hash but
// for some bits.
type shard struct {
	mu   sync.RWMutex
	logs map[string]*channelLog
	most int // that there ever were: maps do not shrink
	kept keptNames

	// retired holds the highest head of all logs that were forgotten, for each
	// value of further bits of the hash. A new log begins there, so that a
	// position of a forgotten life of the channel is never taken for one of the
	// new: it is before its floor. There are many of them so that a position of a
	// forgotten log mostly still equals the one here: proof that nothing came after it.
	retired [retiredPlaces]uint64
}

const retiredPlaces = 256

// NewMemory returns a new engine. Close it to stop its janitor goroutine.
func New(o Options) *Engine {
	if o.Messages == 0 {
		o.Messages = DefaultMessages
	}
	if o.Bytes == 0 {
		o.Bytes = DefaultBytes
	}
	if o.Age == 0 {
		o.Age = DefaultAge
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.KeyWindow == 0 {
		o.KeyWindow = DefaultKeyWindow
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &Engine{options: o, epoch: newEpoch(), seed: maphash.MakeSeed(), stop: cancel, done: make(chan struct{})}
	for i := range m.shards {
		m.shards[i].logs = make(map[string]*channelLog)
	}
	go m.janitor(ctx)
	return m
}

// newEpoch returns a random epoch above 0. 40 bits are plenty to tell lives of a
// log apart, and keep the text of positions short.
func newEpoch() uint64 {
	var b [8]byte
	rand.Read(b[:5]) // never fails, see crypto/rand
	return binary.LittleEndian.Uint64(b[:]) + 1
}

// Publish implements [engine.Engine]. Keys take at most a quarter of the ceiling, and those of messages
// that have a Publisher at most an eighth: over that limit, a message with a new key gets
// [engine.ErrTooManyKeys]. The same applies to a publisher whose keys would take more than an eighth of
// the space that is left.
func (m *Engine) Publish(_ context.Context, channel string, msg engine.Message) (engine.Ack, error) {
	p := &engine.Publication{Data: msg.Data, Sender: msg.Sender}
	class := classBackends
	if msg.Publisher != "" {
		class = classClients
	}
	var key publishKey
	if msg.Key != "" && m.options.KeyWindow > 0 {
		key = publishKey{msg.Key, maphash.Bytes(m.seed, msg.Data), msg.Publisher}
	}
	for {
		if m.closed.Load() {
			return engine.Ack{}, engine.ErrClosed
		}
		l := m.log(channel)
		offset, err := l.append(m, p, class, key)
		if err == errForgotten {
			continue // between finding and locking it: find the next
		}
		m.forgetIdle()
		if m.used.Load() > m.options.Memory {
			m.evictor.evict(m)
		}
		if err != nil && err != errDuplicate {
			return engine.Ack{}, err
		}
		return engine.Ack{Position: engine.Position{Epoch: m.epoch, Offset: offset}, Duplicate: err == errDuplicate}, nil
	}
}

// Follow implements [engine.Engine].
func (m *Engine) Follow(_ context.Context, channel string, deliver func(*engine.Publication)) (engine.Position, func(), error) {
	f := &follower{deliver}
	for {
		if m.closed.Load() {
			return engine.Position{}, nil, engine.ErrClosed
		}
		l := m.log(channel)
		if head, ok := l.follow(m, f); ok {
			return engine.Position{Epoch: m.epoch, Offset: head}, func() {
				l.unfollow(m, f)
				m.forgetIdle()
			}, nil
		}
	}
}

// Read implements [engine.Engine].
func (m *Engine) Read(_ context.Context, channel string, since engine.Position, limit int) (engine.History, error) {
	if m.closed.Load() {
		return engine.History{}, engine.ErrClosed
	}
	s, retired := m.place(channel)
	s.mu.RLock()
	l, at := s.logs[channel], *retired // a log made later starts there or after it
	s.mu.RUnlock()
	if l == nil {
		return m.bounds(at, at, since)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(m, clock.Now())
	l.settle(m)
	h, err := m.bounds(l.floor, l.head, since)
	if err != nil || limit == 0 {
		return h, err
	}
	pubs := engine.After(l.pubs.live(), since.Offset)
	if limit < 0 {
		pubs = pubs[max(len(pubs)+limit, 0):]
	} else {
		pubs = pubs[:min(limit, len(pubs))]
	}
	h.Publications = append([]*engine.Publication(nil), pubs...)
	return h, nil
}

// bounds returns a history without publications, and what is wrong with since.
func (m *Engine) bounds(floor, head uint64, since engine.Position) (engine.History, error) {
	h := engine.History{Floor: engine.Position{Epoch: m.epoch, Offset: floor}, Head: engine.Position{Epoch: m.epoch, Offset: head}}
	switch {
	case since.IsZero():
		return h, nil
	case since.Epoch != m.epoch:
		return h, engine.ErrUnknownEpoch
	case since.Offset > head:
		return h, engine.ErrAhead
	case since.Offset < floor:
		return h, engine.ErrExpired
	}
	return h, nil
}

// Close implements [engine.Engine].
func (m *Engine) Close() error {
	if m.closed.Swap(true) {
		return engine.ErrClosed
	}
	m.stop()
	<-m.done
	return nil
}

// place returns where a channel's log is, and what a new one begins after.
func (m *Engine) place(channel string) (s *shard, retired *uint64) {
	hash := maphash.String(m.seed, channel)
	s = &m.shards[hash%shards]
	return s, &s.retired[hash/shards%retiredPlaces]
}

// log returns the channel's log and creates it if there is none. The caller that created it uses
// it next, and calls settle.
func (m *Engine) log(channel string) *channelLog {
	s, retired := m.place(channel)
	s.mu.RLock()
	l := s.logs[channel]
	s.mu.RUnlock()
	if l != nil {
		return l
	}
	limits := m.limits(channel) // before locking: it is somebody else's code
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[channel]; l != nil {
		return l
	}
	name := strings.Clone(channel) // which may be a part of a whole request
	l = &channelLog{name: name, limits: limits, floor: *retired, head: *retired, touched: clock.Now()}
	s.logs[name] = l
	s.most = max(s.most, len(s.logs))
	return l
}

// limits returns the bounds of a channel's log.
func (m *Engine) limits(channel string) engine.Retention {
	o := &m.options
	r := engine.Retention{Messages: o.Messages, Bytes: o.Bytes, Age: o.Age}
	if o.Limits == nil {
		return r
	}
	own := o.Limits(channel)
	return engine.Retention{Messages: cmp.Or(own.Messages, r.Messages), Bytes: cmp.Or(own.Bytes, r.Bytes), Age: cmp.Or(own.Age, r.Age)}
}
