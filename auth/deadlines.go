package auth

import "container/heap"

// deadlines hold keys and the times at which they end, the earliest first. A key stays until its
// time, even if the thing that it names was deleted or has a new end by then. So the caller of take
// must check again.
type deadlines[K any] struct{ list deadlineHeap[K] }

type deadline[K any] struct {
	at  int64 // Unix nanoseconds
	key K
}

func (d *deadlines[K]) add(at int64, key K) { heap.Push(&d.list, deadline[K]{at, key}) }

// crowded reports whether most entries are obsolete, if n things have an end.
func (d *deadlines[K]) crowded(n int) bool { return len(d.list) > 2*n+minCrowd }

// minCrowd is the minimum number of obsolete entries. It prevents that a small heap is rebuilt too
// often.
const minCrowd = 1000

// take removes and returns a key whose time is not after now. It returns false if there is none.
func (d *deadlines[K]) take(now int64) (key K, ok bool) {
	if len(d.list) == 0 || d.list[0].at > now {
		return key, false
	}
	return heap.Pop(&d.list).(deadline[K]).key, true
}

type deadlineHeap[K any] []deadline[K]

func (h deadlineHeap[K]) Len() int           { return len(h) }
func (h deadlineHeap[K]) Less(i, j int) bool { return h[i].at < h[j].at }
func (h deadlineHeap[K]) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *deadlineHeap[K]) Push(x any)        { *h = append(*h, x.(deadline[K])) }
func (h *deadlineHeap[K]) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
