package boreas

import (
	"math"
	"sync"
	"sync/atomic"
)

// gate counts calls that are under way. Once it is closed, no call begins, and close returns
// only when the last call has ended.
type gate struct {
	calls atomic.Int64 // under way; math.MinInt64 is added once the gate is closed
	ended chan struct{}
	once  sync.Once
}

func (g *gate) init() { g.ended = make(chan struct{}) }

// enter begins a call. It returns false if the gate is closed. If enter returned true, the
// caller must call leave when the call has ended.
func (g *gate) enter() bool {
	if g.calls.Add(1) > 0 {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.calls.Add(-1) == math.MinInt64 {
		g.once.Do(func() { close(g.ended) })
	}
}

// close closes the gate and waits for the calls that are under way. A second close also waits.
func (g *gate) close() {
	for {
		n := g.calls.Load()
		if n < 0 {
			break
		}
		if g.calls.CompareAndSwap(n, n+math.MinInt64) {
			if n == 0 {
				g.once.Do(func() { close(g.ended) })
			}
			break
		}
	}
	<-g.ended
}
