// Package clock keeps apart the two times that a computer has: the one that measures how
// long something takes, and the one that people and other machines read.
package clock

import (
	"sync/atomic"
	"time"
)

// Mono is a moment of this process, in nanoseconds since it began. It measures elapsed
// time: nobody can set this clock, and it never goes back. Moments of one process
// compare with each other and with nothing else.
type Mono int64

// start is where Mono begins.
var start = time.Now()

// step is by how much tests have set the wall clock, in nanoseconds.
var step atomic.Int64

// Now returns this moment.
func Now() Mono { return Mono(time.Since(start)) }

// Of returns the moment of t, which must be a result of time.Now with its monotonic
// reading: UTC keeps it, Round(0) and any encoding lose it.
func Of(t time.Time) Mono { return Mono(t.Sub(start)) }

// Add returns the moment d later.
func (m Mono) Add(d time.Duration) Mono { return m + Mono(d) }

// Sub returns how long after earlier m is.
func (m Mono) Sub(earlier Mono) time.Duration { return time.Duration(m - earlier) }

// Both returns this moment, and the wall clock's time as nanoseconds since 1970 UTC. It
// reads the system's clocks once.
func Both() (Mono, int64) {
	t := time.Now()
	return Of(t), t.UnixNano() + step.Load()
}

// Wall returns the time that people and other machines read: for what is shown, and for
// what is compared with a time that came from elsewhere. It has no monotonic reading. The
// system's clock may be set at any moment, in both directions, so a difference of two of
// these is not an elapsed time.
func Wall() time.Time { return time.Now().Round(0).Add(time.Duration(step.Load())) }

// Steady returns the wall clock's time. If somebody has set the clock forward since the
// process began, it returns the time without that step. Data that expires by Steady never
// expires too early, however the clock is set.
func Steady() time.Time {
	now, steady := Wall(), start.Round(0).Add(time.Since(start))
	if steady.Before(now) {
		return steady
	}
	return now
}

// Step sets the wall clock for tests: Wall and Both tell a time that is d away from the
// system's. It returns what undoes that.
func Step(d time.Duration) (undo func()) {
	step.Store(int64(d))
	return func() { step.Store(0) }
}
