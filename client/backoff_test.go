package client

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBackoffDoublesUpToItsBoundAndForgetsAfterAGoodConnection(t *testing.T) {
	b := backoff{base: time.Second, max: 5 * time.Second, random: func(limit time.Duration) time.Duration { return limit }}
	got := []time.Duration{b.next(false), b.next(false), b.next(false), b.next(false)}
	b.good()
	got = append(got, b.next(false), b.next(false))
	for range 200 {
		b.next(false)
	}
	got = append(got, b.next(false))
	want := []time.Duration{1e9, 2e9, 4e9, 5e9, 1e9, 2e9, 5e9}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}

func TestJitterIsSpreadOverTheWholeRange(t *testing.T) {
	const limit, buckets = 100, 4
	var seen [buckets]bool
	for range 1000 {
		d := upTo(limit)
		if d < 0 || d > limit {
			t.Fatalf("%v is outside 0 to %d", d, limit)
		}
		seen[min(int(d)*buckets/limit, buckets-1)] = true
	}
	if seen != [buckets]bool{true, true, true, true} {
		t.Errorf("quarters of the range that were hit: %v, want all", seen)
	}
}

// clause 8.4: while no server answers, the bound stays small for a minute, because a server that
// restarts is usually back within that time.
func TestBackoffStaysShortWhileNothingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{base: time.Second, max: 30 * time.Second, random: func(limit time.Duration) time.Duration { return limit }}
		next := func(mute bool) time.Duration {
			d := b.next(mute)
			<-time.After(d)
			return d
		}
		var got []time.Duration
		for range 18 { // 63 seconds
			got = append(got, next(true))
		}
		for range 4 {
			got = append(got, next(true))
		}
		b.good()
		got = append(got, next(true), next(false), next(false), next(false), next(true))
		want := []time.Duration{1e9, 2e9}
		for range 15 {
			want = append(want, 4e9)
		}
		want = append(want, 4e9, 8e9, 16e9, 30e9, 30e9, 1e9, 2e9, 4e9, 8e9, 4e9)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
}

// A server restarts. It disconnects each client at its slot (clause 8.5), and each client retries
// until the server listens again. All clients reconnect within 5 s of that moment, and at most two
// thirds of them in the same second.
func TestAllClientsReconnectAfterARestartWithoutAStampede(t *testing.T) {
	const clients, drain = 1000, 10 * time.Second
	for _, down := range []time.Duration{50 * time.Millisecond, 3 * time.Second, 40 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			up := time.Now().Add(drain + down)
			var mu sync.Mutex
			var back [6]int // in each second
			var all sync.WaitGroup
			for i := range clients {
				all.Go(func() {
					b := backoff{base: time.Second, max: 30 * time.Second, random: upTo}
					wait := time.Duration(i) * drain / clients
					for {
						<-time.After(wait)
						if now := time.Now(); !now.Before(up) {
							mu.Lock()
							defer mu.Unlock()
							back[min(int(now.Sub(up)/time.Second), 5)]++
							return
						}
						wait = b.next(true)
					}
				})
			}
			all.Wait()
			t.Logf("down for %v: back in each second: %v", down, back)
			if back[5] > 0 {
				t.Errorf("down for %v: %d were back after more than 5 s", down, back[5])
			}
			if most := slices.Max(back[:]); most > clients*2/3 {
				t.Errorf("down for %v: %d reconnected in one second", down, most)
			}
		})
	}
}

// clause 8.4: a connection is good if its joins were answered and it lasted for another second.
// Disconnects that are seconds apart do not add up.
func TestDisconnectsSecondsApartDoNotAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states, _, p := joinedOn(t, f, SubscribeOptions{})
		states.want(t, "connecting 1", "connected s_1 ")
		const broke, again = "disconnected: the connection broke: unexpected EOF; again in ", "connected s_1 "
		request := 1
		rejoin := func(answered bool) {
			p = f.accept()
			request++
			p.want(fmt.Sprintf(`{"id":%d,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`, request))
			if answered {
				p.send(fmt.Sprintf(`{"id":%d,"join":{"channels":[{"channel":"a","position":"a0","recovered":true}]}}`, request))
			}
			synctest.Wait()
		}
		for range 5 {
			<-time.After(3 * time.Second)
			p.conn.Close()
			rejoin(true)
			states.want(t, broke+"1s", "connecting 2", again)
		}
		// A connection is not good if it was too short or if its joins were not answered.
		<-time.After(goodAfter - 1)
		p.conn.Close()
		rejoin(false)
		states.want(t, broke+"2s", "connecting 3", again)
		<-time.After(10 * time.Second)
		p.conn.Close()
		rejoin(true)
		states.want(t, broke+"4s", "connecting 4", again)
		<-time.After(goodAfter)
		p.conn.Close()
		rejoin(true)
		states.want(t, broke+"1s", "connecting 2", again)
	})
}
