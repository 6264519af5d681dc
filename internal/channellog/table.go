package channellog

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

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// Options of a [Table]. For each limit, 0 means the default.
type Options struct {
	Messages  int           // publications that a channel keeps; a negative number means none
	Bytes     int64         // bytes of messages that a channel keeps
	Age       time.Duration // how long a publication is kept
	Memory    int64         // ceiling for the bytes of all channels together
	KeyWindow time.Duration // how long a key is remembered; negative if keys have no effect

	// Limits returns a channel's own limits. Those that are not zero replace Messages, Bytes and
	// Age. It is called when a channel's log is created, from many goroutines at once. It may be
	// nil.
	Limits func(channel string) engine.Retention

	// Store returns the store of a channel whose log is created, or nil for a channel that is kept
	// in memory. A nil Store means that all channels are kept in memory. The limits are those that
	// are in force for the channel.
	Store func(channel string, limits engine.Retention) Store

	// MayForget is asked before a log with a store is forgotten, whose last offset is next. It
	// returns false to postpone that: the table keeps the log and asks again later. The engine
	// agrees once it is certain that a table that is restored without the log starts at next or
	// after it. MayForget is called with the log locked, and must not wait. Nil means that logs are
	// forgotten at once.
	MayForget func(next uint64) bool
}

// Defaults of [Options].
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

	// publicationOverhead is the cost in bytes of a publication in memory in addition to its data:
	// the struct, its entries in the log, rounding by the allocator.
	publicationOverhead = 80

	// logOverhead is the cost in bytes of an empty log in addition to its name: the struct, the map
	// entry.
	logOverhead = 256

	// idleShare is the part of the ceiling that idle logs may use while nothing else needs it, as a
	// divisor.
	idleShare = 8
)

// A Table has the logs of all channels. Each table has a new epoch for the logs that are only in
// memory, because they end with the process.
type Table struct {
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
	inMemory    atomic.Int64 // the part of used that publications take that are in memory
	idleBytes   atomic.Int64 // the part of used that idle logs take
	clientBytes atomic.Int64 // the part of used that logs of classClients take, without keys
	logs        atomic.Int64 // number of logs, except those that are only followed
	followed    atomic.Int64 // number of logs that are only followed
	kept        atomic.Int64 // number of publications in all logs
	keys        atomic.Int64 // number of keys in all logs
	evicted     [evictedCauses]atomic.Uint64

	relimits atomic.Uint64 // number of calls of Relimit that have begun
	closed   atomic.Bool
}

// shard holds the channels whose names have the same hash in some bits.
type shard struct {
	kept keptNames // has its own lock

	mu   sync.RWMutex // guards the fields below
	logs map[string]*Log
	most int // maximum of len(logs) so far: a map does not shrink, so clean copies it

	// retired has, for each value of further bits of the hash, the highest head of all forgotten
	// logs with that value. A new log starts there. So an older position is below the floor of the
	// new log: it is expired, and never mistaken for a new position. A position equal to the start
	// proves that no message was missed. With more places such proofs are more frequent.
	retired [retiredPlaces]Start
}

// A Start has the offsets at which the next log of a channel starts. Logs with and without a store
// have different epochs, so that their offsets need not be compared. Only those of logs with a store
// must survive the process.
type Start struct {
	Stored uint64 // for a log with a store
	Memory uint64 // for a log without one
}

// of returns the offset for a log with the store, which may be nil.
func (s *Start) of(store Store) *uint64 {
	if store != nil {
		return &s.Stored
	}
	return &s.Memory
}

const retiredPlaces = 256

// New returns a new table. Call Close to stop its janitor goroutine.
func New(o Options) *Table {
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
	t := &Table{options: o, epoch: newEpoch(), seed: maphash.MakeSeed(), stop: cancel, done: make(chan struct{})}
	for i := range t.shards {
		t.shards[i].logs = make(map[string]*Log)
	}
	go t.janitor(ctx)
	return t
}

// newEpoch returns a random epoch above 0. 40 bits are enough to distinguish the epochs of a log,
// and keep the text of positions short.
func newEpoch() uint64 {
	var b [8]byte
	rand.Read(b[:5]) // never fails, see crypto/rand
	return binary.LittleEndian.Uint64(b[:]) + 1
}

// A Key is what a log needs to know of a message before it gives the message an offset.
type Key struct {
	text      string // the idempotency key, "" if there is none
	data      uint64 // hash of the data, seeded so that clients cannot find two messages with the same hash
	publisher string
	class     logClass
}

// Key returns the key of a message.
func (t *Table) Key(m *engine.Message) Key {
	k := Key{class: classBackends, publisher: m.Publisher}
	if m.Publisher != "" {
		k.class = classClients
	}
	if m.Key != "" && t.options.KeyWindow > 0 {
		k.text, k.data = m.Key, maphash.Bytes(t.seed, m.Data)
	}
	return k
}

// Publish publishes a message on a channel without a store, as [engine.Engine.Publish] does.
func (t *Table) Publish(channel string, m engine.Message) (engine.Ack, error) {
	p := &engine.Publication{Data: m.Data, Sender: m.Sender}
	k := t.Key(&m)
	for {
		if t.closed.Load() {
			return engine.Ack{}, engine.ErrClosed
		}
		l := t.Log(channel)
		l.mu.Lock()
		now, wall := clock.Both()
		offset, err := l.Reserve(t, k, now)
		if err != nil {
			l.mu.Unlock()
			if err == ErrForgotten {
				continue // forgotten between the look-up and the lock: look up the next one
			}
			t.Trim()
			if err != ErrDuplicate {
				return engine.Ack{}, err
			}
			return engine.Ack{Position: engine.Position{Epoch: t.epoch, Offset: offset}, Duplicate: true}, nil
		}
		p.Offset, p.Time = offset, wall
		t.commitAndUnlock(l, p, now, 0)
		t.Trim()
		return engine.Ack{Position: engine.Position{Epoch: t.epoch, Offset: offset}}, nil
	}
}

// Commit makes p, whose offset was reserved, the head of its log, and delivers it to the followers.
// Publications are committed in the order of their offsets. The log's store gets the place. The
// caller calls [Table.Trim] after one or many calls.
func (t *Table) Commit(l *Log, p *engine.Publication, accepted clock.Mono, place uint64) {
	l.mu.Lock()
	t.commitAndUnlock(l, p, accepted, place)
}

func (t *Table) commitAndUnlock(l *Log, p *engine.Publication, accepted clock.Mono, place uint64) {
	oldest := accepted
	class, add := l.commit(t, p, accepted, place)
	if add && l.newest.len() > 0 {
		oldest = l.newest.times()[0]
	}
	l.mu.Unlock()
	if add {
		t.evictor.add(l, class, oldest)
	}
}

// Trim frees memory until the table is below its ceiling. The caller holds no lock of a log.
func (t *Table) Trim() {
	t.forgetIdle()
	if t.used.Load() > t.options.Memory {
		t.evictor.evict(t)
	}
}

// Recall puts publications of a log with a store back into memory, before those that are there. It
// does so only if fits, which is called with the log locked, returns true, and if nothing else has
// to be evicted for it.
func (t *Table) Recall(l *Log, pubs []*engine.Publication, fits func() bool) {
	l.mu.Lock()
	var cost int64
	for _, p := range pubs {
		cost += int64(len(p.Data)) + publicationOverhead
	}
	if t.used.Load()+cost > t.options.Memory || !fits() {
		l.mu.Unlock()
		return
	}
	times := make([]clock.Mono, len(pubs))
	for i, first := 0, l.stored()-len(pubs); i < len(pubs); i++ {
		times[i] = l.store.Accepted(first + i)
	}
	if l.class == classNone { // nobody has published since it was restored
		l.setClass(t, classBackends)
	}
	l.newest.pushFront(pubs, times)
	t.inMemory.Add(cost)
	l.addCost(t, cost)
	class, add := l.class, l.queued.evictor != l.class
	l.queued.evictor = class
	l.mu.Unlock()
	if add {
		t.evictor.add(l, class, times[0])
	}
}

// Cancel takes back all offsets after the one given, and the keys of their messages. The messages
// were reserved and not committed. The log is locked.
func (t *Table) Cancel(l *Log, after uint64) {
	l.cancelKeys(t)
	l.reserved -= int(l.next - after)
	l.next = after
	l.settle(t)
}

// Follow follows the log of a channel, as [engine.Engine.Follow] does. It returns the log and the
// offset of its head.
func (t *Table) Follow(channel string, to engine.Follower) (l *Log, head uint64, stop func(), err error) {
	f := &follower{to}
	for {
		if t.closed.Load() {
			return nil, 0, nil, engine.ErrClosed
		}
		l := t.Log(channel)
		if head, ok := l.follow(t, f); ok {
			return l, head, func() {
				l.unfollow(t, f)
				t.forgetIdle()
			}, nil
		}
	}
}

// Read reads the log of a channel without a store, as [engine.Engine.Read] does.
func (t *Table) Read(channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	if t.closed.Load() {
		return engine.History{}, engine.ErrClosed
	}
	l, start := t.Find(channel)
	if l == nil {
		return Bounds(t.epoch, start.Memory, start.Memory, since, limit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Expire(t)
	h, err := l.Bounds(t.epoch, since, limit)
	if err != nil || limit.Messages == 0 {
		return h, err
	}
	h.Publications, h.More = Select(l.newest.live(), since.Offset, limit)
	return h, nil
}

// Expire drops the publications over the log's limits. The log is locked.
func (l *Log) Expire(t *Table) {
	l.expire(t, clock.Now())
	l.settle(t)
}

// Fixed returns the estimated bytes of memory that count against the ceiling and are not those of
// publications in memory. [Table.Trim] cannot free them.
func (t *Table) Fixed() int64 {
	used := t.used.Load() // first, because a message is added to inMemory first
	return used - t.inMemory.Load()
}

// Epoch returns the epoch of the logs without a store.
func (t *Table) Epoch() uint64 { return t.epoch }

// Closed reports whether Close was called.
func (t *Table) Closed() bool { return t.closed.Load() }

// Close ends the table's goroutine. Later calls fail with [engine.ErrClosed].
func (t *Table) Close() error {
	if t.closed.Swap(true) {
		return engine.ErrClosed
	}
	t.stop()
	<-t.done
	return nil
}

// place returns the shard of a channel, and where a new log of it starts.
func (t *Table) place(channel string) (s *shard, retired *Start) {
	hash := maphash.String(t.seed, channel)
	s = &t.shards[hash%shards]
	return s, &s.retired[hash/shards%retiredPlaces]
}

// Find returns the log of a channel. If there is none, it returns the offsets at which a log that is
// created later starts, or offsets below them.
func (t *Table) Find(channel string) (l *Log, start Start) {
	s, retired := t.place(channel)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.logs[channel], *retired
}

// Log returns the log of a channel, and creates it if there is none. The caller must use a new log.
func (t *Table) Log(channel string) *Log {
	s, retired := t.place(channel)
	s.mu.RLock()
	l := s.logs[channel]
	s.mu.RUnlock()
	if l != nil {
		return l
	}
	for {
		asked := t.relimits.Load()
		limits := t.Limits(channel) // before locking, because it calls the embedder's code
		if l := t.newLog(s, retired, channel, limits, asked); l != nil {
			return l
		}
	}
}

// newLog returns the log of a channel, and creates it if there is none. It returns nil if the limits
// may have changed since they were asked for: then Relimit may not find the new log.
func (t *Table) newLog(s *shard, retired *Start, channel string, limits engine.Retention, asked uint64) *Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[channel]; l != nil {
		return l
	}
	if t.relimits.Load() != asked {
		return nil
	}
	name := strings.Clone(channel) // channel may be a substring of a whole request
	l := &Log{name: name, limits: limits, touched: clock.Now()}
	if t.options.Store != nil {
		l.store = t.options.Store(name, limits)
	}
	start := *retired.of(l.store)
	l.floor, l.head, l.next = start, start, start
	s.logs[name] = l
	s.most = max(s.most, len(s.logs))
	return l
}

// Limits returns the limits that are in force for a channel.
func (t *Table) Limits(channel string) engine.Retention {
	o := &t.options
	r := engine.Retention{Messages: o.Messages, Bytes: o.Bytes, Age: o.Age}
	if o.Limits == nil {
		return r
	}
	own := o.Limits(channel)
	return engine.Retention{Messages: cmp.Or(own.Messages, r.Messages), Bytes: cmp.Or(own.Bytes, r.Bytes), Age: cmp.Or(own.Age, r.Age)}
}
