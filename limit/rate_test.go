package limit

import (
	"testing"
	"testing/synctest"
	"time"
)

// A Rate allows one second's worth at once, and refills at its pace.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, perSecond := range []int{1, 8, 1000} {
			r := NewRate(perSecond)
			allowed := func() (n int) {
				for range 10 * perSecond {
					if r.Allow() {
						n++
					}
				}
				return n
			}
			if n := allowed(); n != perSecond {
				t.Errorf("%d a second: %d at once", perSecond, n)
			}
			time.Sleep(time.Second/time.Duration(perSecond) - time.Nanosecond)
			if r.Allow() {
				t.Errorf("%d a second: one is allowed too early", perSecond)
			}
			time.Sleep(time.Nanosecond)
			if n := allowed(); n != 1 {
				t.Errorf("%d a second: %d are allowed after the time of one", perSecond, n)
			}
			time.Sleep(time.Hour)
			if n := allowed(); n != perSecond {
				t.Errorf("%d a second: %d after an hour", perSecond, n)
			}
		}
		unlimited := NewRate(0)
		for range 10_000 {
			if !unlimited.Allow() {
				t.Fatal("a rate of 0 refuses")
			}
		}
	})
}
