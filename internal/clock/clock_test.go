package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestElapsedTimeDoesNotFollowTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{time.Hour, -time.Hour, 0} {
			before, wall := Now(), time.Now()
			undo := Step(d)
			if got := Now(); got != before {
				t.Errorf("set by %v: %v have elapsed", d, got.Sub(before))
			}
			if got := Wall().Sub(wall.Round(0)); got != d {
				t.Errorf("set by %v: the wall clock is off by %v", d, got)
			}
			mono, nanos := Both()
			if got := time.Duration(nanos - wall.UnixNano()); mono != before || got != d {
				t.Errorf("set by %v: Both returned times off by %v and %v", d, mono.Sub(before), got)
			}
			undo()
			<-time.After(time.Minute)
			if got := Now(); got != before.Add(time.Minute) || got != Of(time.Now()) {
				t.Errorf("after a minute %v have elapsed", got.Sub(before))
			}
		}
	})
}

// This test does not run in a bubble, because a bubble's time is unrelated to the start of the
// process.
func TestSteady(t *testing.T) {
	for _, d := range []time.Duration{time.Hour, -time.Hour, 0} {
		undo := Step(d)
		ahead := Steady().Sub(time.Now().Round(0))
		undo()
		// The two may be some microseconds apart. A minute allows for a machine that sets its clock
		// meanwhile.
		if want := min(d, 0); ahead > want+time.Minute || ahead < want-time.Minute {
			t.Errorf("set by %v: %v ahead, want %v", d, ahead, want)
		}
	}
}
