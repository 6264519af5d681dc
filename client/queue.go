package client

import "sync"

// Bounds of the events that wait for the loop over a subscription.
const (
	defaultBuffer = 1024
	maxQueueBytes = 4 << 20
	eventOverhead = 128 // bytes of an event in addition to its data
)

// An entry is one item for the loop over events: either an event or an error.
type entry struct {
	event Event
	err   error
	size  int
}

// A queue holds received entries until the loop takes them.
type queue struct {
	limit int           // maximum number of entries
	ready chan struct{} // holds a token when something was added or the end was set; capacity 1
	room  chan struct{} // holds a token when the queue has become half empty; capacity 1

	mu      sync.Mutex
	entries []entry // guarded by mu
	size    int     // bytes of the entries; guarded by mu
	end     error   // what comes after the entries, nil for more of them; guarded by mu
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// full reports whether the queue has reached its limit.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries) >= q.limit || q.size >= maxQueueBytes
}

// relaxed reports whether the queue is at most half full.
func (q *queue) relaxed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.isRelaxed()
}

func (q *queue) isRelaxed() bool { return len(q.entries) <= q.limit/2 && q.size <= maxQueueBytes/2 }

// add appends an entry, even to a full queue: the caller has checked full.
func (q *queue) add(e entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return
	}
	e.size += eventOverhead
	q.entries = append(q.entries, e)
	q.size += e.size
	poke(q.ready)
}

// finish sets the error that follows the entries. Only the first call counts.
func (q *queue) finish(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end == nil {
		q.end = err
	}
	poke(q.ready)
	poke(q.room)
}

// take removes and returns the first entry. If the queue is empty, it returns the end, if set.
func (q *queue) take() (e entry, ok bool, end error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.entries) == 0 {
		return entry{}, false, q.end
	}
	e = q.entries[0]
	q.entries[0] = entry{} // release the data
	q.entries = q.entries[1:]
	q.size -= e.size
	if len(q.entries) == 0 {
		q.entries = nil
	}
	if q.isRelaxed() {
		poke(q.room)
	}
	return e, true, nil
}

// poke puts a token into a channel of capacity 1, if the channel is empty.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is a token already
	}
}
