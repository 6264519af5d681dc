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

// Options bounds the data that an [Engine] keeps. The zero value works.
type Options struct {
	// Messages is the maximum number of publications that a channel keeps. 0 means
	// [DefaultMessages]; a negative number means that it keeps none.
	Messages int

	// Bytes is the maximum number of bytes of messages that a channel keeps. 0 means
	// [DefaultBytes]. The newest publication is kept whatever its size.
	Bytes int64

	// Age is how long a publication is kept. 0 means [DefaultAge].
	Age time.Duration

	// Memory is a ceiling for the bytes of all channels together, including an estimate of the
	// overhead. Above it the engine drops the oldest publications of all channels. 0 means
	// [DefaultMemory].
	Memory int64

	// Limits returns a channel's own limits. Those that are not zero replace Messages, Bytes and
	// Age. The engine calls Limits when it creates a channel's log, from many goroutines at once.
	// Nil means that all channels have the same limits.
	Limits func(channel string) engine.Retention

	// KeyWindow is how long an idempotency key is remembered. 0 means [DefaultKeyWindow]. If it is
	// negative, keys have no effect.
	KeyWindow time.Duration
}

// Defaults of [Options]. A client that was disconnected for a few minutes can resume.
const (
	DefaultMessages  = 10_000
	DefaultBytes     = 16 << 20
	DefaultAge       = 5 * time.Minute
	DefaultMemory    = 256 << 20
	DefaultKeyWindow = 2 * time.Minute
)

const (
	// shards is the number of maps over which the channels are spread. Each has its own lock, so
	// that publishers to different channels seldom wait for each other.
	shards = 64

	// publicationOverhead is the cost in bytes of keeping a publication in addition to its data:
	// the struct, its entries in the log, rounding by the allocator.
	publicationOverhead = 80

	// logOverhead is the cost in bytes of an empty log in addition to its name: the struct, the map
	// entry.
	logOverhead = 256

	// idleShare is the part of the ceiling that idle logs may use while nothing else needs it, as a
	// divisor.
	idleShare = 8
)

// Engine keeps publications in the memory of this process. Each Engine has a new epoch, because its
// publications end with the process.
type Engine struct {
	// Immutable after New.
	options Options
	epoch   uint64
	seed    maphash.Seed
	stop    context.CancelFunc // ends the janitor
	done    chan struct{}      // closed when the janitor has ended

	// Each has its own lock.
	shards    [shards]shard
	keyShares keyShares
	evictor   evictor
	idle      idleLogs

	// Totals. Each is changed together with the log that it counts, with the log's mu held.
	used        atomic.Int64 // estimated bytes of publications, keys, and logs that are not only followed
	idleBytes   atomic.Int64 // the part of used that idle logs take
	clientBytes atomic.Int64 // the part of used that logs of classClients take, without keys
	logs        atomic.Int64 // number of logs, except those that are only followed
	followed    atomic.Int64 // number of logs that are only followed
	kept        atomic.Int64 // number of publications in all logs
	keys        atomic.Int64 // number of keys in all logs
	evicted     [evictedCauses]atomic.Uint64

	closed atomic.Bool
}

// shard holds the channels whose names have the same hash in some bits.
type shard struct {
	kept keptNames // has its own lock

	mu   sync.RWMutex // guards the fields below
	logs map[string]*channelLog
	most int // maximum of len(logs) so far: a map does not shrink, so clean copies it

	// retired has, for each value of further bits of the hash, the highest head of all forgotten
	// logs with that value. A new log starts there. So an older position is below the floor of the
	// new log: it is expired, and never mistaken for a new position. A position equal to the start
	// proves that no message was missed. With more places such proofs are more frequent.
	retired [retiredPlaces]uint64
}

const retiredPlaces = 256

// New returns a new engine. Call Close to stop its janitor goroutine.
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

// newEpoch returns a random epoch above 0. 40 bits are enough to distinguish the epochs of a log,
// and keep the text of positions short.
func newEpoch() uint64 {
	var b [8]byte
	rand.Read(b[:5]) // never fails, see crypto/rand
	return binary.LittleEndian.Uint64(b[:]) + 1
}

// Publish implements [engine.Engine]. Keys may take a quarter of the ceiling, and keys of messages
// with a Publisher an eighth. Over that limit, a message with a new key fails with
// [engine.ErrTooManyKeys]. So does a message of a publisher whose keys would take more than an
// eighth of the space that is left.
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
			continue // forgotten between the look-up and the lock: look up the next one
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
func (m *Engine) Follow(_ context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	f := &follower{to}
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
func (m *Engine) Read(_ context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	if m.closed.Load() {
		return engine.History{}, engine.ErrClosed
	}
	s, retired := m.place(channel)
	s.mu.RLock()
	l, at := s.logs[channel], *retired // a log created later starts here or after it
	s.mu.RUnlock()
	if l == nil {
		return m.bounds(at, at, since)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(m, clock.Now())
	l.settle(m)
	h, err := m.bounds(l.floor, l.head, since)
	if err != nil || limit.Messages == 0 {
		return h, err
	}
	pubs := engine.After(l.pubs.live(), since.Offset)
	if limit.Messages < 0 {
		pubs = pubs[max(len(pubs)+limit.Messages, 0):]
	}
	n := within(pubs, limit)
	h.Publications, h.More = append([]*engine.Publication(nil), pubs[:n]...), n < len(pubs)
	return h, nil
}

// within returns how many of the publications the limit allows.
func within(pubs []*engine.Publication, limit engine.Limit) int {
	most, bytes := len(pubs), 0
	if limit.Messages > 0 {
		most = min(most, limit.Messages)
	}
	if limit.Bytes <= 0 {
		return most
	}
	for i, p := range pubs[:most] {
		if bytes += len(p.Data); bytes >= limit.Bytes {
			return i + 1
		}
	}
	return most
}

// Immediate implements [engine.Immediate]: the engine waits for nothing but its locks.
func (*Engine) Immediate() bool { return true }

// bounds returns a history without publications, and the error of the position since.
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

// place returns the shard of a channel, and the offset after which a new log of it starts.
func (m *Engine) place(channel string) (s *shard, retired *uint64) {
	hash := maphash.String(m.seed, channel)
	s = &m.shards[hash%shards]
	return s, &s.retired[hash/shards%retiredPlaces]
}

// log returns the channel's log, and creates it if there is none. The caller must use a new log and
// call settle.
func (m *Engine) log(channel string) *channelLog {
	s, retired := m.place(channel)
	s.mu.RLock()
	l := s.logs[channel]
	s.mu.RUnlock()
	if l != nil {
		return l
	}
	limits := m.limits(channel) // before locking, because it calls the embedder's code
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[channel]; l != nil {
		return l
	}
	name := strings.Clone(channel) // channel may be a substring of a whole request
	l = &channelLog{name: name, limits: limits, floor: *retired, head: *retired, touched: clock.Now()}
	s.logs[name] = l
	s.most = max(s.most, len(s.logs))
	return l
}

// limits returns the limits of a channel's log.
func (m *Engine) limits(channel string) engine.Retention {
	o := &m.options
	r := engine.Retention{Messages: o.Messages, Bytes: o.Bytes, Age: o.Age}
	if o.Limits == nil {
		return r
	}
	own := o.Limits(channel)
	return engine.Retention{Messages: cmp.Or(own.Messages, r.Messages), Bytes: cmp.Or(own.Bytes, r.Bytes), Age: cmp.Or(own.Age, r.Age)}
}
