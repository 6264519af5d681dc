// Package pulse shows whether a loop still runs. A loop takes its next work, works and takes its next
// work again. It is stuck if one piece of work never ends.
package pulse

import (
	"context"
	"sync/atomic"
	"time"
)

// pause is the time between two looks at a loop that works.
const pause = 5 * time.Millisecond

// A Pulse is the pulse of one loop. The zero Pulse is of a loop that rests.
type Pulse struct {
	turns atomic.Uint64 // odd while the loop works
}

// Work says that the loop begins a piece of work, and Rest that it waits for the next one. The loop
// calls them in turn, Work first.
func (p *Pulse) Work() { p.turns.Add(1) }

// Rest is described at Work.
func (p *Pulse) Rest() { p.turns.Add(1) }

// Await waits until the loop rests or has begun another piece of work, which shows that it is not
// stuck. It returns the error of ctx if that does not happen.
func (p *Pulse) Await(ctx context.Context) error {
	first := p.turns.Load()
	if first%2 == 0 {
		return nil
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for p.turns.Load() == first {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
