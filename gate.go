package boreas

import (
	"math"
	"sync"
	"sync/atomic"
)

// gate counts calls that are under way. Once it is closed, no call begins. Close returns when the
// last call has ended.
type gate struct {
	calls atomic.Int64 // number under way; close adds math.MinInt64
	ended chan struct{}
	once  sync.Once
}

func (g *gate) init() { g.ended = make(chan struct{}) }

// enter begins a call. It returns false if the gate is closed. If it returns true, the caller must
// call leave when the call has ended.
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

// close closes the gate and waits for the calls under way. A second close also waits.
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
