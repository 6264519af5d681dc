package boreas

import "sync"

// queue holds the dirty groups in the order in which they became dirty. A group
// is in it at most once, so it needs no bound of its own.
type queue struct {
	mu          sync.Mutex
	ready       sync.Cond
	first, last *group
	closed      bool
}

func (q *queue) init() { q.ready.L = &q.mu }

// push appends a list of groups, linked by next.
func (q *queue) push(first, last *group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.first == nil {
		q.first = first
	} else {
		q.last.next = first
	}
	q.last = last
	if first == last {
		q.ready.Signal()
	} else {
		q.ready.Broadcast()
	}
}

// pop waits for a group and takes it out. It returns nil once the queue is closed.
func (q *queue) pop() *group {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.first == nil && !q.closed {
		q.ready.Wait()
	}
	if q.closed {
		return nil
	}
	g := q.first
	q.first, g.next = g.next, nil
	return g
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}
