// Package clock separates the two kinds of time that a computer has: monotonic time, which measures
// durations, and wall-clock time, which people and other machines read.
package clock

import (
	"sync/atomic"
	"time"
)

// Mono is a moment in this process, in nanoseconds since the process began. It measures elapsed
// time: nobody can set this clock, and it never goes back. Moments can be compared only within one
// process.
type Mono int64

// start is the zero moment of Mono.
var start = time.Now()

// step is the offset that tests add to the wall clock, in nanoseconds.
var step atomic.Int64

// Now returns the current moment.
func Now() Mono { return Mono(time.Since(start)) }

// Of returns the moment of t, which must be a result of time.Now with its monotonic
// reading: UTC keeps it, Round(0) and any encoding lose it.
func Of(t time.Time) Mono { return Mono(t.Sub(start)) }

// Add returns the moment d later.
func (m Mono) Add(d time.Duration) Mono { return m + Mono(d) }

// Sub returns the duration from earlier to m.
func (m Mono) Sub(earlier Mono) time.Duration { return time.Duration(m - earlier) }

// Both returns the current moment, and the wall clock's time as nanoseconds since 1970 UTC. It
// reads the system's clocks once.
func Both() (Mono, int64) {
	t := time.Now()
	return Of(t), t.UnixNano() + step.Load()
}

// Wall returns the time that people and other machines read: use it for display, and for
// comparison with times from other machines. It has no monotonic reading. The system's clock may
// be set at any moment, in both directions, so the difference of two such times is not an
// elapsed time.
func Wall() time.Time { return time.Now().Round(0).Add(time.Duration(step.Load())) }

// Steady returns the wall clock's time. If the clock has been set forward since the process
// began, it returns the time without that step. Data that expires by Steady never expires too
// early, even if the clock is set.
func Steady() time.Time {
	now, steady := Wall(), start.Round(0).Add(time.Since(start))
	if steady.Before(now) {
		return steady
	}
	return now
}

// Step sets the wall clock for tests: Wall and Both return the system's time plus d. It returns
// a function that undoes the step.
func Step(d time.Duration) (undo func()) {
	step.Store(int64(d))
	return func() { step.Store(0) }
}
