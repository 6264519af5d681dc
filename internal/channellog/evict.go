package channellog

import (
	"container/heap"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// A logClass is the kind of publishers of a channel.
type logClass uint8

const (
	classNone     logClass = iota
	classBackends          // only backends so far
	classClients           // also clients, whose messages have a Publisher
	logClasses
)

// clientShare is a part of the ceiling, as a divisor. While the channels on which clients publish
// use more than that part, they are evicted before others.
const clientShare = 2

// evictor finds the log with the oldest publication of a class. For each class it has a heap of the
// logs that have publications, ordered by the time of each log's oldest publication when the
// evictor last read it. That time is never later than the real one. So if a log is wrongly first,
// evict notices that and moves it. A log whose class has changed is in two heaps; the one that
// Log.queued names is valid.
type evictor struct {
	mu   sync.Mutex
	logs [logClasses]logHeap
}

type logHeap []logAge

type logAge struct {
	log    *Log
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

func (e *evictor) add(l *Log, c logClass, oldest clock.Mono) {
	e.mu.Lock()
	defer e.mu.Unlock()
	heap.Push(&e.logs[c], logAge{l, oldest})
}

// next returns the heap from which to evict next. The caller holds mu.
func (e *evictor) next(t *Table) *logHeap {
	backends, clients := &e.logs[classBackends], &e.logs[classClients]
	switch {
	case len(*clients) == 0:
		return backends
	case len(*backends) == 0 || t.clientBytes.Load() > t.options.Memory/clientShare || (*clients)[0].oldest < (*backends)[0].oldest:
		return clients
	}
	return backends
}

// evict drops the oldest publications until the engine is below its ceiling. It drops those of the
// channels on which clients publish while these use more than their share, otherwise those of all
// channels. It may drop a channel's newest publication.
func (e *evictor) evict(t *Table) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for t.used.Load() > t.options.Memory {
		logs := e.next(t)
		if len(*logs) == 0 {
			return
		}
		first := &(*logs)[0]
		l := first.log
		l.mu.Lock()
		counts := logs == &e.logs[l.queued.evictor]
		if counts && l.newest.len() > 0 && l.newest.times()[0] == first.oldest {
			l.evictOldest(t)
		}
		gone := !counts || l.newest.len() == 0
		if !gone {
			first.oldest = l.newest.times()[0]
		} else if counts {
			l.queued.evictor = classNone
		}
		l.settle(t)
		l.mu.Unlock()
		if gone {
			heap.Pop(logs)
			t.forgetIdle() // cheaper for clients than evicting another publication
		} else {
			heap.Fix(logs, 0)
		}
	}
}

// compact removes the logs that have no publications. Otherwise forgotten logs would stay here if
// the ceiling is never reached.
func (e *evictor) compact() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.logs {
		logs := &e.logs[c]
		*logs = slices.DeleteFunc(*logs, func(a logAge) bool {
			a.log.mu.Lock()
			defer a.log.mu.Unlock()
			counts := a.log.queued.evictor == logClass(c)
			if counts && a.log.newest.len() > 0 {
				return false
			}
			if counts {
				a.log.queued.evictor = classNone
			}
			return true
		})
		if len(*logs) < cap(*logs)/4 {
			*logs = slices.Clone(*logs)
		}
		heap.Init(logs)
	}
}
