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

	// scatterPublications is the number of publications after which the queue decides again whether
	// they are scattered.
	scatterPublications = 64

	// scatterSubscribers is the maximum number of subscribers of a channel whose publications may
	// count as scattered. A sweep of a larger channel is long enough for others to join it.
	scatterSubscribers = 64
)

// sweeper writes to the sessions of dirty groups. A hub has a few of them.
type sweeper struct {
	hub     *Hub
	batches [visitWrites]batch // see [Session.visit]
	tally   tally
	subs    []*subscription // members of the group that is being swept
	writes  int             // number since the last poll
	poll    *netpoll.Point  // nil until first needed
	pulse   *pulse.Pulse    // works during a sweep

	written, delivered uint64 // of the last sweep: writes, and publications in them
}

func newSweeper(h *Hub) *sweeper { return &sweeper{hub: h, pulse: new(pulse.Pulse)} }

// run sweeps until the queue is closed.
func (w *sweeper) run() {
	defer func() { w.poll.Close() }()
	for g := w.next(); g != nil; g = w.next() {
		w.pulse.Work()
		w.sweep(g)
		w.pulse.Rest()
	}
}

// next waits for a group to sweep. It returns nil once the queue is closed.
func (w *sweeper) next() *group {
	g, waited := w.hub.queue.pop(w.written, w.delivered)
	w.written, w.delivered = 0, 0
	if waited {
		w.writes = 0 // the scheduler polls the network when no goroutine is ready
	}
	return g
}

// sweep visits each subscription of the group that is behind. A publication meanwhile makes the
// group dirty again, and is delivered by the next sweep.
func (w *sweeper) sweep(g *group) {
	w.letOthersRun()
	g.state.Store(groupSweeping)
	for i := range w.batches {
		w.batches[i].forget()
	}
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
		if sub.session.visit(&w.batches, &w.tally) {
			more = true
		}
		w.yield()
	}
	clear(w.subs)
	for i := range w.batches {
		w.batches[i].trimmed()
	}
	w.written, w.delivered = w.tally.writes, w.tally.deliveries
	w.tally.addTo(&w.hub.stats)
	if more {
		g.state.CompareAndSwap(groupSweeping, groupAgain)
	} else {
		g.ch.swept(g, l, head)
	}
	if g.finish() {
		w.hub.queue.push(g)
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
		w.letOthersRun()
	}
}

// letOthersRun yields, so that publications that are under way join the sweep or the next one. If
// publications are scattered, each one that is let in is one more group to sweep instead. The queue
// would only become longer, and with it every latency, so the sweeper goes on until the next poll.
func (w *sweeper) letOthersRun() {
	if !w.hub.queue.scattered.Load() {
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

	// Guarded by mu: counts since the last decision about scattered.
	publications       int    // that have marked groups
	alone              int    // that have marked the only group of a small channel, which was not dirty yet
	written, delivered uint64 // the writes of the sweepers, and the publications in them

	// scattered reports whether most publications are for small channels that have no other one to
	// deliver, as in many rooms, and most writes have one publication. In a busy channel one sweep
	// delivers many publications, and so does one write to a session with many channels. Written
	// with mu held.
	scattered atomic.Bool

	resets      atomic.Int64 // of channels' logs so far: see [Session.renew]
	resetLogged atomic.Int64 // when one was logged last, by clock.Now; 0 if none was
}

func (q *queue) init() { q.ready.L = &q.mu }

// published records that a publication has marked groups. It appends to the queue those that were
// not dirty yet: a list, linked by next. Small means that the channel is small.
func (q *queue) published(small bool, first, last *group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.publications++
	if small && first != nil {
		q.alone++
	}
	if q.publications >= scatterPublications {
		q.scattered.Store(2*q.alone > q.publications && 4*q.delivered <= 5*q.written)
		q.publications, q.alone, q.written, q.delivered = 0, 0, 0, 0
	}
	if first != nil {
		q.append(first, last)
	}
}

// push appends a group.
func (q *queue) push(g *group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.append(g, g)
}

// append appends a list of groups, linked by next. The caller holds mu.
func (q *queue) append(first, last *group) {
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
// waited reports whether the queue was empty. Written and delivered are the writes since the last
// call, and the publications in them.
func (q *queue) pop(written, delivered uint64) (g *group, waited bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.written += written
	q.delivered += delivered
	for q.first == nil && !q.closed {
		waited = true
		q.ready.Wait()
	}
	if q.closed {
		return nil, waited
	}
	g = q.first
	q.first, g.next = g.next, nil
	return g, waited
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
