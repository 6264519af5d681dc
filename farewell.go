package boreas

import (
	"context"
	"time"
)

// A farewell is how sessions are ended one after the other. Each has its slot.
type farewell struct {
	sessions []*Session
	steps    int
	start    time.Time // telling so many takes time, too
}

const (
	// drainStep is the minimum interval between slots, because shorter intervals would only load
	// the timer.
	drainStep = 10 * time.Millisecond

	// farewellRate is how many sessions per second are ended, if the drain time allows it: a small
	// server can accept as many handshakes per second beside its other work.
	farewellRate = 500
)

// newFarewell spreads the sessions by their number, over at most the drain time.
func newFarewell(sessions []*Session, drain time.Duration) farewell {
	spread := min(drain, time.Duration(len(sessions))*time.Second/farewellRate)
	return farewell{sessions, max(int(spread/drainStep), 1), time.Now()}
}

// slot returns the step in which the session of the index has to go. The first is at
// the beginning: who is alone need not wait.
func (d farewell) slot(i int) int { return i * d.steps / len(d.sessions) }

// announce tells the sessions when their turn to go will be.
func (d farewell) announce() {
	for i, s := range d.sessions {
		if after := time.Until(d.start.Add(time.Duration(d.slot(i)) * drainStep)); after > 0 {
			s.announce(ErrShuttingDown, after)
		}
	}
}

// end ends the sessions in their slots.
func (d farewell) end(ctx context.Context) error {
	for i, step := 0, 0; i < len(d.sessions); step++ {
		for ; i < len(d.sessions) && d.slot(i) <= step; i++ {
			d.sessions[i].End(ErrShuttingDown)
		}
		if i == len(d.sessions) {
			break
		}
		select {
		case <-time.After(time.Until(d.start.Add(time.Duration(step+1) * drainStep))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
