package limit

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/internal/fault"
)

// guess fails as often as the address may, and returns how often and how long it has
// to wait then.
func guess(l *Limits, most int) string {
	for n := range most {
		if err := l.MayAuthenticate(here); err != nil {
			return fmt.Sprint(n, ", then ", fault.Wait(err))
		}
		l.Failed(here)
	}
	return fmt.Sprint(most, ", and no end")
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Address: Bounds{Failures: 20}})
		var got []string
		for range 11 {
			got = append(got, guess(l, 100))
			time.Sleep(fault.Wait(l.MayAuthenticate(here)))
		}
		want := []string{
			"20, then 1s", "1, then 2s", "1, then 4s", "1, then 8s", "1, then 16s", "1, then 32s", "1, then 1m4s",
			"1, then 2m8s", "1, then 4m16s", "1, then 5m0s", "1, then 5m0s",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		// Each calm minute takes one doubling back, and in the end all is forgotten.
		time.Sleep(3*calm + time.Second)
		got = append(got[:0], guess(l, 100))
		time.Sleep(5*time.Minute + 20*calm)
		got = append(got, guess(l, 100))
		if diff := cmp.Diff([]string{"1, then 1m4s", "20, then 1s"}, got); diff != "" {
			t.Error(diff)
		}
		if err := l.MayAuthenticate(there); err != nil {
			t.Errorf("another address has to wait: %v", err)
		}
		want = []string{"Too many authentications from this address have failed (address_failures). 1s"}
		if diff := cmp.Diff(want, []string{told(l.MayAuthenticate(here))}); diff != "" {
			t.Error(diff)
		}
	})
}

// Failures that are few enough never lead to a wait.
func TestFewFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, perMinute := range []int{2, 7, 20, 1000} {
			l := New(Options{Address: Bounds{Failures: perMinute}})
			for n := range 10 * perMinute {
				if err := l.MayAuthenticate(here); err != nil {
					t.Fatalf("%d a minute: after %d: %v", perMinute, n, told(err))
				}
				l.Failed(here)
				time.Sleep(time.Minute / time.Duration(perMinute))
			}
			time.Sleep(2 * time.Minute)
			if diff := cmp.Diff(fmt.Sprint(perMinute, ", then 1s"), guess(l, 2000)); diff != "" {
				t.Errorf("%d a minute: %s", perMinute, diff)
			}
		}
	})
}

// Those that were under way when the wait began double nothing.
func TestFailuresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Address: Bounds{Failures: 20}})
		for range 1000 {
			l.Failed(here)
		}
		if wait := fault.Wait(l.MayAuthenticate(here)); wait != time.Second {
			t.Errorf("wait %v, want 1s", wait)
		}
	})
}
