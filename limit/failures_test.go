package limit

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// guess calls Failed until the address has to wait, at most the given number of times. It returns
// the number of failures and the wait.
func guess(l *Limits, most int) string {
	for n := range most {
		if err := l.Failed(here); err != nil {
			return fmt.Sprint(n, ", then ", fault.Wait(err))
		}
	}
	return fmt.Sprint(most, ", and no wait")
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Address: Bounds{Failures: 20}})
		var got []string
		for range 11 {
			got = append(got, guess(l, 100))
			time.Sleep(fault.Wait(l.Failed(here)))
		}
		want := []string{
			"20, then 1s", "1, then 2s", "1, then 4s", "1, then 8s", "1, then 16s", "1, then 32s", "1, then 1m4s",
			"1, then 2m8s", "1, then 4m16s", "1, then 5m0s", "1, then 5m0s",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		// Each calm minute takes back one doubling. In the end all failures are forgotten.
		time.Sleep(3*calm + time.Second)
		got = append(got[:0], guess(l, 100))
		time.Sleep(5*time.Minute + 20*calm)
		got = append(got, guess(l, 100))
		if diff := cmp.Diff([]string{"1, then 1m4s", "20, then 1s"}, got); diff != "" {
			t.Error(diff)
		}
		if err := l.Failed(there); err != nil {
			t.Errorf("another address has to wait: %v", err)
		}
		want = []string{"Too many authentications from this address have failed (address_failures). 1s"}
		if diff := cmp.Diff(want, []string{told(l.Failed(here))}); diff != "" {
			t.Error(diff)
		}
	})
}

// TestFewFailures: failures at the allowed rate never lead to a wait.
func TestFewFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, perMinute := range []int{2, 7, 20, 1000} {
			l := New(Options{Address: Bounds{Failures: perMinute}})
			for n := range 10 * perMinute {
				if err := l.Failed(here); err != nil {
					t.Fatalf("%d per minute: after %d: %v", perMinute, n, told(err))
				}
				time.Sleep(time.Minute / time.Duration(perMinute))
			}
			time.Sleep(2 * time.Minute)
			if diff := cmp.Diff(fmt.Sprint(perMinute, ", then 1s"), guess(l, 2000)); diff != "" {
				t.Errorf("%d per minute: %s", perMinute, diff)
			}
		}
	})
}

// TestChecksQueue: while an address has to wait, few checks of its tokens run at once. Other checks
// wait for their turn, and are refused after some time. Other addresses are not affected.
func TestChecksQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Address: Bounds{Failures: 1}})
		run := func(run func()) { run() }
		check := func(address netip.Addr, n int, takes time.Duration) string {
			var mu sync.Mutex
			var all sync.WaitGroup
			start, outcomes := time.Now(), map[string]int{}
			for range n {
				all.Go(func() {
					leave, err := l.Check(address, run)
					if err == nil {
						time.Sleep(takes)
						leave()
					}
					mu.Lock()
					defer mu.Unlock()
					outcomes[fmt.Sprint(time.Since(start), " ", err)]++
				})
			}
			all.Wait()
			return fmt.Sprint(outcomes)
		}
		if got := check(here, 12, time.Second); got != "map[1s <nil>:12]" {
			t.Errorf("before any failure: %s", got)
		}
		for l.Failed(here) == nil || fault.Wait(l.Failed(here)) < time.Minute {
			time.Sleep(time.Second)
		}
		if got := check(here, 12, time.Second); got != "map[1s <nil>:4 2s <nil>:4 3s <nil>:4]" {
			t.Errorf("while it waits: %s", got)
		}
		const refused = "10s Too many tokens from this address are being checked."
		if got := check(here, 12, 6*time.Second); got != "map["+refused+":4 12s <nil>:4 6s <nil>:4]" {
			t.Errorf("slow checks: %s", got)
		}
		if got := check(there, 12, time.Second); got != "map[1s <nil>:12]" {
			t.Errorf("another address: %s", got)
		}
		time.Sleep(maxWait)
		if got := check(here, 12, time.Second); got != "map[1s <nil>:12]" {
			t.Errorf("afterwards: %s", got)
		}
	})
}

// TestFailuresAtOnce: failures that were under way when the wait began do not double the wait.
func TestFailuresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Address: Bounds{Failures: 20}})
		for range 1000 {
			l.Failed(here)
		}
		if wait := fault.Wait(l.Failed(here)); wait != time.Second {
			t.Errorf("wait %v, want 1s", wait)
		}
	})
}

// TestFailedWhileBoundsChange: the limit is switched off while a failure is being counted.
func TestFailedWhileBoundsChange(t *testing.T) {
	l := New(Options{Address: Bounds{Failures: 20}})
	stop := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				l.SetBounds(Bounds{}, Bounds{}, Bounds{})
				l.SetBounds(Bounds{Failures: 20}, Bounds{}, Bounds{})
			}
		}
	})
	for i := range 20_000 { // of other addresses: one that has to wait does not count
		l.Failed(netip.AddrFrom4([4]byte{192, byte(i >> 16), byte(i >> 8), byte(i)})) //nolint:errcheck // it must not panic
	}
	close(stop)
	changing.Wait()
}
