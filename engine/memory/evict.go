package memory

import (
	"container/heap"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas/internal/clock"
)

// A logClass is the kind of publishers of a channel.
type logClass uint8

const (
	classNone     logClass = iota
	classBackends          // only backends so far
	classClients           // also clients, whose messages have a Publisher
	logClasses
)

// clientShare is the part of the ceiling that the channels on which clients publish may always
// have, as a divisor. Over that share they are evicted before others are.
const clientShare = 2

// evictor finds the log with the oldest publication of a class. For each class it has a heap of
// the logs that have publications. The heap is ordered by the time of each log's oldest
// publication when the log was last looked at. That time is never later than the real one, so a
// log that wrongly comes first is noticed and sorted in again when its turn comes. A log whose
// class has changed is in two heaps; memoryLog.queued is the valid one.
type evictor struct {
	mu   sync.Mutex
	logs [logClasses]logHeap
}

type logHeap []logAge

type logAge struct {
	log    *channelLog
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

func (e *evictor) add(l *channelLog, c logClass, oldest clock.Mono) {
	e.mu.Lock()
	defer e.mu.Unlock()
	heap.Push(&e.logs[c], logAge{l, oldest})
}

// next returns the heap whose first log is next. The caller holds mu.
func (e *evictor) next(m *Engine) *logHeap {
	backends, clients := &e.logs[classBackends], &e.logs[classClients]
	switch {
	case len(*clients) == 0:
		return backends
	case len(*backends) == 0 || m.clientBytes.Load() > m.options.Memory/clientShare || (*clients)[0].oldest < (*backends)[0].oldest:
		return clients
	}
	return backends
}

// evict drops the oldest publications until the engine is below its ceiling: those of the
// channels on which clients publish while these have more than their share, otherwise those of
// all channels. A channel's newest publication is not spared.
func (e *evictor) evict(m *Engine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for m.used.Load() > m.options.Memory {
		logs := e.next(m)
		if len(*logs) == 0 {
			return
		}
		first := &(*logs)[0]
		l := first.log
		l.mu.Lock()
		counts := logs == &e.logs[l.queued.evictor]
		if counts && l.pubs.len() > 0 && l.pubs.times()[0] == first.oldest {
			l.drop(m, 1, evictedMemory)
		}
		gone := !counts || l.pubs.len() == 0
		if !gone {
			first.oldest = l.pubs.times()[0]
		} else if counts {
			l.queued.evictor = classNone
		}
		l.settle(m)
		l.mu.Unlock()
		if gone {
			heap.Pop(logs)
			m.forgetIdle() // which costs everyone less than evicting another publication
		} else {
			heap.Fix(logs, 0)
		}
	}
}

// compact lets go of logs that have no publications any more, so that logs long
// forgotten are not held here when the ceiling is never reached.
func (e *evictor) compact() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.logs {
		logs := &e.logs[c]
		*logs = slices.DeleteFunc(*logs, func(a logAge) bool {
			a.log.mu.Lock()
			defer a.log.mu.Unlock()
			counts := a.log.queued.evictor == logClass(c)
			if counts && a.log.pubs.len() > 0 {
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
