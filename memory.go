package boreas

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// MemoryOptions bounds what a [Memory] keeps. The zero value works.
type MemoryOptions struct {
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
}

// What a [Memory] keeps by default: enough to come back to after a few minutes.
const (
	DefaultMessages = 10_000
	DefaultBytes    = 16 << 20
	DefaultAge      = 5 * time.Minute
	DefaultMemory   = 256 << 20
)

const (
	// memoryShards spreads the channels over maps with a lock each, so that
	// publishers to different channels seldom meet.
	memoryShards = 64

	// publicationOverhead is what keeping a publication costs beyond its
	// bytes: the struct, its place in the log, rounding by the allocator.
	publicationOverhead = 72

	// logOverhead is what an empty log costs: the struct, the map entry.
	logOverhead = 256

	// logLinger is how long a log without publications and followers is
	// remembered, so that "nothing new since" can still be told.
	logLinger = time.Hour

	// janitorPeriod is how often one shard is searched for what has expired:
	// each shard's turn comes every memoryShards periods. Readers never see
	// what has expired; this only bounds how long its memory is held.
	janitorPeriod = 500 * time.Millisecond
)

// Memory is the engine that keeps publications in this process's memory. Its epoch
// is new with each NewMemory: what it kept ends with the process.
type Memory struct {
	options MemoryOptions
	epoch   uint64
	seed    maphash.Seed
	shards  [memoryShards]memoryShard
	used    atomic.Int64 // bytes of all logs, overhead included
	kept    atomic.Int64 // publications in all logs
	evicted atomic.Uint64
	logs    atomic.Int64

	// retired is the highest head of all logs that were forgotten. A new log
	// begins there, so that a position of a forgotten life of the channel is
	// never taken for one of the new: it is before its floor.
	retired atomic.Uint64

	evictor evictor
	stop    context.CancelFunc
	done    chan struct{}
	closed  atomic.Bool
}

type memoryShard struct {
	mu   sync.RWMutex
	logs map[string]*memoryLog
}

// NewMemory returns a new engine. Close it to stop its janitor goroutine.
func NewMemory(o MemoryOptions) *Memory {
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
	ctx, cancel := context.WithCancel(context.Background())
	m := &Memory{options: o, epoch: newEpoch(), seed: maphash.MakeSeed(), stop: cancel, done: make(chan struct{})}
	for i := range m.shards {
		m.shards[i].logs = make(map[string]*memoryLog)
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

// Publish implements [Engine].
func (m *Memory) Publish(_ context.Context, channel string, msg Message) (Ack, error) {
	p := &Publication{Data: msg.Data, Sender: msg.Sender}
	for {
		if m.closed.Load() {
			return Ack{}, ErrClosed
		}
		l := m.log(channel)
		if !l.append(m, p) {
			continue // forgotten between finding and locking it: find the next
		}
		if m.used.Load() > m.options.Memory {
			m.evictor.evict(m)
		}
		return Ack{Position: Position{m.epoch, p.Offset}}, nil
	}
}

// Follow implements [Engine].
func (m *Memory) Follow(_ context.Context, channel string, deliver func(*Publication)) (Position, func(), error) {
	f := &follower{deliver}
	for {
		if m.closed.Load() {
			return Position{}, nil, ErrClosed
		}
		l := m.log(channel)
		if head, ok := l.follow(f); ok {
			return Position{m.epoch, head}, func() { l.unfollow(f) }, nil
		}
	}
}

// Read implements [Engine].
func (m *Memory) Read(_ context.Context, channel string, since Position, limit int) (History, error) {
	if m.closed.Load() {
		return History{}, ErrClosed
	}
	s := m.shard(channel)
	s.mu.RLock()
	l, at := s.logs[channel], m.retired.Load() // a log made later starts there or after it
	s.mu.RUnlock()
	if l == nil {
		return m.bounds(at, at, since)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(m, time.Now().UnixNano())
	h, err := m.bounds(l.floor, l.head, since)
	if err != nil || limit == 0 {
		return h, err
	}
	pubs := after(l.pubs, since.Offset)
	h.Publications = append([]*Publication(nil), pubs[:min(limit, len(pubs))]...)
	return h, nil
}

// bounds returns a history without publications, and what is wrong with since.
func (m *Memory) bounds(floor, head uint64, since Position) (History, error) {
	h := History{Floor: Position{m.epoch, floor}, Head: Position{m.epoch, head}}
	switch {
	case since.IsZero():
		return h, nil
	case since.Epoch != m.epoch:
		return h, ErrUnknownEpoch
	case since.Offset > head:
		return h, ErrAhead
	case since.Offset < floor:
		return h, ErrExpired
	}
	return h, nil
}

// Close implements [Engine].
func (m *Memory) Close() error {
	if m.closed.Swap(true) {
		return ErrClosed
	}
	m.stop()
	<-m.done
	return nil
}

// EngineStats tells what an engine holds at this moment.
type EngineStats struct {
	Channels     int64  // logs, also those without publications
	Publications int64  // kept
	Bytes        int64  // kept, overhead included as an estimate
	Evicted      uint64 // dropped so far, for whatever bound
}

// Stats returns what the engine holds.
func (m *Memory) Stats() EngineStats {
	return EngineStats{m.logs.Load(), m.kept.Load(), m.used.Load(), m.evicted.Load()}
}

func (m *Memory) shard(channel string) *memoryShard {
	return &m.shards[maphash.String(m.seed, channel)%memoryShards]
}

// log returns the channel's log and makes it where there is none.
func (m *Memory) log(channel string) *memoryLog {
	s := m.shard(channel)
	s.mu.RLock()
	l := s.logs[channel]
	s.mu.RUnlock()
	if l != nil {
		return l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[channel]; l != nil {
		return l
	}
	start := m.retired.Load()
	l = &memoryLog{floor: start, head: start, touched: time.Now().UnixNano()}
	s.logs[channel] = l
	m.logs.Add(1)
	m.used.Add(logOverhead + int64(len(channel)))
	return l
}

// janitor frees what has expired, one shard at a time.
func (m *Memory) janitor(ctx context.Context) {
	defer close(m.done)
	tick := time.NewTicker(janitorPeriod)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % memoryShards {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			m.clean(&m.shards[i], now.UnixNano())
			if i == memoryShards-1 {
				m.evictor.compact()
			}
		}
	}
}

// clean drops what has expired in a shard, and forgets logs long unused.
func (m *Memory) clean(s *memoryShard, now int64) {
	linger := int64(logLinger)
	if m.used.Load() > m.options.Memory/2 {
		linger = 0 // before they cost others their history
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.logs {
		l.mu.Lock()
		l.expire(m, now)
		if len(l.pubs) == 0 && len(l.followers) == 0 && now-l.touched > linger {
			m.forget(s, name, l)
		}
		l.mu.Unlock()
	}
}

// forget removes a log. The caller holds both locks.
func (m *Memory) forget(s *memoryShard, name string, l *memoryLog) {
	for {
		old := m.retired.Load()
		if l.head <= old || m.retired.CompareAndSwap(old, l.head) {
			break
		}
	}
	l.gone = true
	delete(s.logs, name)
	m.logs.Add(-1)
	m.used.Add(-logOverhead - int64(len(name)))
}
