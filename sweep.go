package boreas

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/internal/netpoll"
	"github.com/boreas-pubsub/boreas/v2/internal/pulse"
)

// With one processor no other goroutine runs during a sweep unless the sweeper yields. Publishers
// would wait for its end, and the next sweep could not deliver their messages together.
const (
	// yieldWrites is the number of writes after which a sweeper lets goroutines run that are ready.
	yieldWrites = 16

	// pollWrites is the number of writes after which it lets the scheduler find more ready
	// goroutines; see package netpoll. That is every few milliseconds. More often would accept more
	// messages per sweep than the readers of a busy channel can follow.
	pollWrites = 512
)

// sweeper writes to the sessions of dirty groups. A hub has a few of them.
type sweeper struct {
	hub    *Hub
	batch  *batch
	tally  tally
	subs   []*subscription // members of the group that is being swept
	writes int             // number since the last poll
	poll   *netpoll.Point  // nil until first needed
	pulse  *pulse.Pulse    // works during a sweep
}

func newSweeper(h *Hub) *sweeper { return &sweeper{hub: h, batch: new(batch), pulse: new(pulse.Pulse)} }

// run sweeps until the queue is closed.
func (w *sweeper) run() {
	defer func() { w.poll.Close() }()
	for g := w.hub.queue.pop(); g != nil; g = w.hub.queue.pop() {
		w.pulse.Work()
		w.sweep(g)
		w.pulse.Rest()
	}
}

// sweep visits each subscription of the group that is behind. A publication meanwhile makes the
// group dirty again, and is delivered by the next sweep.
func (w *sweeper) sweep(g *group) {
	runtime.Gosched()
	g.state.Store(groupSweeping)
	w.batch.forget()
	// Load the head before the members: a session that joins in between has its cursor at the head
	// or after it. In the other order, a session that joins in between would not be visited for a
	// publication in between, but that publication would count as swept.
	l := g.ch.life.Load()
	head := g.ch.head.Load()
	renewed := l != g.life // every member must move to the new life, wherever its cursor is
	w.subs = g.members(w.subs[:0])
	more := false
	for _, sub := range w.subs {
		if sub.cursor.Load() >= head && !renewed {
			continue // joined later, or visited because of another channel
		}
		if sub.session.visit(w.batch, &w.tally) {
			more = true
		}
		w.yield()
	}
	clear(w.subs)
	w.batch = w.batch.trimmed()
	w.tally.addTo(&w.hub.stats)
	if more {
		g.state.CompareAndSwap(groupSweeping, groupAgain)
	} else {
		g.ch.swept(g, l, head)
	}
	if g.finish() {
		w.hub.queue.push(g, g)
	}
}

// yield lets other goroutines run when it is time for that.
func (w *sweeper) yield() {
	w.writes++
	switch {
	case w.writes >= pollWrites:
		w.writes = 0
		if w.poll == nil {
			w.poll = netpoll.New()
		}
		w.poll.Poll()
	case w.writes%yieldWrites == 0:
		runtime.Gosched()
	}
}

// queue has the dirty groups in the order in which they became dirty. A group is in it at most
// once, so the queue needs no limit.
type queue struct {
	mu          sync.Mutex
	ready       sync.Cond
	first, last *group
	closed      bool

	resets      atomic.Int64 // of channels' logs so far: see [Session.renew]
	resetLogged atomic.Int64 // when one was logged last, by clock.Now; 0 if none was
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

// pop waits for a group and removes it from the queue. It returns nil once the queue is closed.
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

// empty reports whether no group waits for a sweep.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.first == nil
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}
