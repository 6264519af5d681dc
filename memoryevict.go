package boreas

import (
	"container/heap"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas/internal/clock"
)

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
	oldest clock.Mono
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

func (e *evictor) add(l *memoryLog, oldest clock.Mono) {
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
		if l.pubs.len() > 0 && l.pubs.times()[0] == first.oldest {
			l.drop(m, 1, evictedMemory)
		}
		bare := l.pubs.len() == 0
		if bare {
			l.queued.evictor = false
		} else {
			first.oldest = l.pubs.times()[0]
		}
		l.settle(m)
		l.mu.Unlock()
		if bare {
			heap.Pop(&e.logs)
			m.forgetIdle() // which is cheaper for all than another publication
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
		if a.log.pubs.len() > 0 {
			return false
		}
		a.log.queued.evictor = false
		return true
	})
	if len(e.logs) < cap(e.logs)/4 {
		e.logs = slices.Clone(e.logs)
	}
	heap.Init(&e.logs)
}
