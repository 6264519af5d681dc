package boreas

import (
	"container/heap"
	"slices"
	"sort"
	"sync"
	"time"
)

// Lock order: evictor.mu, memoryShard.mu, memoryLog.mu, and then what deliver
// locks (channel.mu, queue.mu).

// memoryLog is one channel's log in a [Memory].
type memoryLog struct {
	mu        sync.Mutex
	pubs      []*Publication // oldest first
	bytes     int64          // of their data
	floor     uint64         // see History
	head      uint64
	touched   int64 // when it was last published to or unfollowed, Unix ns
	followers []*follower
	gone      bool // forgotten by the engine; a new log has taken its place
	queued    bool // the evictor knows of it
}

type follower struct{ deliver func(*Publication) }

// append adds p, gives it an offset and time, and hands it to the followers. It
// returns false, having done nothing, if the log is gone.
func (l *memoryLog) append(m *Memory, p *Publication) bool {
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return false
	}
	p.Time = time.Now().UnixNano()
	l.head++
	p.Offset = l.head
	l.touched = p.Time
	l.pubs = append(l.pubs, p)
	l.bytes += int64(len(p.Data))
	m.used.Add(int64(len(p.Data)) + publicationOverhead)
	m.kept.Add(1)
	l.expire(m, p.Time)
	for _, f := range l.followers {
		f.deliver(p)
	}
	unknown := !l.queued && len(l.pubs) > 0
	if unknown {
		l.queued = true
	}
	l.mu.Unlock()
	if unknown {
		m.evictor.add(l, p.Time)
	}
	return true
}

// expire drops what is beyond the channel's bounds. The caller holds mu.
func (l *memoryLog) expire(m *Memory, now int64) {
	o := &m.options
	n := 0
	bytes := l.bytes
	for n < len(l.pubs) {
		p := l.pubs[n]
		left := len(l.pubs) - n
		over := left > max(o.Messages, 0) || bytes > o.Bytes && left > 1 || now-p.Time > int64(o.Age)
		if !over {
			break
		}
		bytes -= int64(len(p.Data))
		n++
	}
	l.drop(m, n)
}

// drop removes the n oldest publications. The caller holds mu.
func (l *memoryLog) drop(m *Memory, n int) {
	if n == 0 {
		return
	}
	var bytes int64
	for i, p := range l.pubs[:n] {
		bytes += int64(len(p.Data))
		l.floor = p.Offset
		l.pubs[i] = nil // the array outlives the slice's beginning
	}
	l.pubs = l.pubs[n:]
	if len(l.pubs) == 0 {
		l.pubs = nil
	}
	l.bytes -= bytes
	m.used.Add(-bytes - int64(n)*publicationOverhead)
	m.kept.Add(-int64(n))
	m.evicted.Add(uint64(n))
}

func (l *memoryLog) follow(f *follower) (head uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0, false
	}
	l.followers = append(l.followers, f)
	return l.head, true
}

func (l *memoryLog) unfollow(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.followers, f); i >= 0 {
		l.followers = slices.Delete(l.followers, i, i+1)
	}
	l.touched = time.Now().UnixNano()
}

// after returns those of pubs, which are in the order of their offsets, that come
// after the offset.
func after(pubs []*Publication, offset uint64) []*Publication {
	// Most readers are near the head, and offsets are mostly dense: guess first.
	if n := len(pubs); n > 0 {
		if back := pubs[n-1].Offset - offset; pubs[n-1].Offset > offset && back < uint64(n) && pubs[n-1-int(back)].Offset == offset {
			return pubs[n-int(back):]
		}
	}
	return pubs[sort.Search(len(pubs), func(i int) bool { return pubs[i].Offset > offset }):]
}

// evictor finds the log with the oldest publication of all. It is a heap of the
// logs that have publications, by the time of their oldest one as it was when the
// log was last looked at: never later than the truth, so a log that comes first
// wrongly is found out, and sorted in again, when its turn comes.
type evictor struct {
	mu   sync.Mutex
	logs logHeap
}

type logHeap []logAge

type logAge struct {
	log    *memoryLog
	oldest int64
}

func (h logHeap) Len() int           { return len(h) }
func (h logHeap) Less(i, j int) bool { return h[i].oldest < h[j].oldest }
func (h logHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *logHeap) Push(x any)        { *h = append(*h, x.(logAge)) }
func (h *logHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = logAge{}
	*h = (*h)[:last]
	return x
}

func (e *evictor) add(l *memoryLog, oldest int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	heap.Push(&e.logs, logAge{l, oldest})
}

// evict drops the oldest publications of all until the engine is below its
// ceiling. A channel's newest publication goes like any other.
func (e *evictor) evict(m *Memory) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for m.used.Load() > m.options.Memory && len(e.logs) > 0 {
		first := &e.logs[0]
		l := first.log
		l.mu.Lock()
		if len(l.pubs) > 0 && l.pubs[0].Time == first.oldest {
			l.drop(m, 1)
		}
		empty := len(l.pubs) == 0
		if empty {
			l.queued = false
		} else {
			first.oldest = l.pubs[0].Time
		}
		l.mu.Unlock()
		if empty {
			heap.Pop(&e.logs)
		} else {
			heap.Fix(&e.logs, 0)
		}
	}
}

// compact lets go of logs that have no publications any more, so that logs long
// forgotten are not held here when the ceiling is never reached.
func (e *evictor) compact() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs = slices.DeleteFunc(e.logs, func(a logAge) bool {
		a.log.mu.Lock()
		defer a.log.mu.Unlock()
		if len(a.log.pubs) > 0 {
			return false
		}
		a.log.queued = false
		return true
	})
	heap.Init(&e.logs)
}
