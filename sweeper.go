package boreas

import "runtime"

// yieldWrites is after how many writes a sweeper lets other goroutines run. On
// one processor nobody else would run during a sweep: publishers would wait for
// its end, and their messages could not be batched into the next.
const yieldWrites = 16

// sweeper writes to the sessions of dirty groups. A hub has a few of them.
type sweeper struct {
	hub   *Hub
	batch *batch
	tally tally
	subs  []*subscription // the group under way
	since int             // writes since it last yielded
}

func newSweeper(h *Hub) *sweeper { return &sweeper{hub: h, batch: new(batch)} }

// run sweeps until the queue is closed.
func (w *sweeper) run() {
	for g := w.hub.queue.pop(); g != nil; g = w.hub.queue.pop() {
		w.sweep(g)
	}
}

// sweep visits each subscription of the group that is behind. What is published
// meanwhile makes the group dirty again, and is for the next sweep.
func (w *sweeper) sweep(g *group) {
	runtime.Gosched()
	g.state.Store(groupSweeping)
	w.batch.forget()
	// The head before the members: who joins in between has its cursor at the head
	// or after it. The other way round it would not be visited for what comes in
	// between, and that would still count as swept.
	head := g.ch.head.Load()
	w.subs = g.members(w.subs[:0])
	more := false
	for _, sub := range w.subs {
		if sub.cursor.Load() >= head {
			continue // joined later, or visited for another channel's sake
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
		g.ch.swept(g, head)
	}
	if g.finish() {
		w.hub.queue.push(g, g)
	}
}

func (w *sweeper) yield() {
	if w.since++; w.since >= yieldWrites {
		w.since = 0
		runtime.Gosched()
	}
}
