package channellog

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// asked records for which offsets an engine was asked whether a log may be forgotten. The engine agrees
// up to an offset.
type asked struct {
	mu      sync.Mutex
	offsets []uint64
	agreed  uint64
}

func (a *asked) mayForget(next uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.offsets = append(a.offsets, next)
	return next <= a.agreed
}

// agree makes the engine agree up to an offset, and returns what it was asked for before.
func (a *asked) agree(offset uint64) (before []uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, a.offsets, a.agreed = a.offsets, nil, offset
	return before
}

// emptied publishes n messages on a channel and drops them.
func (t *storedTable) emptied(channel string, n int) {
	t.Helper()
	for range n {
		t.publish(channel, "x")
	}
	l, _ := t.Find(channel)
	l.Lock()
	l.DropOldest(t.Table, n, EvictedDisk)
	l.Unlock()
}

// The janitor asks again for a log that may not be forgotten yet. Logs without a store do not wait.
func TestForgettingIsPostponed(t *testing.T) {
	a := &asked{agreed: 4}
	withStores(t, Options{MayForget: a.mayForget}, func(t *storedTable) {
		t.emptied("a", 5)
		t.emptied("b", 3)
		for range 9 {
			if _, err := t.Table.Publish("memory", engine.Message{Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(3 * time.Hour)
		t.want("a", bounds{Floor: 5, Head: 5})
		if s := t.Stats(); s.Channels != 1 {
			t.Errorf("%d channels are left, want 1", s.Channels)
		}
		if n, most := len(a.agree(5)), int(3*time.Hour/(shards*janitorPeriod)); n < 10 || n > most {
			t.Errorf("asked %d times, want 10 to %d", n, most)
		}
		<-time.After(time.Minute)
		if s := t.Stats(); s.Channels != 0 || s.Bytes != 0 {
			t.Errorf("%+v", s)
		}
		if _, start := t.Find("a"); start.Stored != 5 {
			t.Errorf("the next log starts at %+v", start)
		}
		if head := t.EmptyHead(); head != 5 {
			t.Errorf("logs start at %d, want 5", head)
		}
	})
}

// Above the ceiling, each call asks until the first log that is postponed. That one is asked for
// again after the others.
func TestForgettingIdleLogsIsPostponed(t *testing.T) {
	a := &asked{}
	const n = 20
	withStores(t, Options{MayForget: a.mayForget, Memory: idleShare * 3 * (logOverhead + 2)}, func(t *storedTable) {
		for i := range n {
			t.emptied(fmt.Sprintf("%02d", i), i+1)
		}
		a.agree(0)
		for range 3 {
			t.Trim()
		}
		if got := t.Stats().Channels; got != n {
			t.Errorf("%d of %d channels are left without an agreement", got, n)
		}
		first := a.agree(0)
		if len(first) != 3 {
			t.Fatalf("three calls asked for %v", first)
		}
		most := first[0] + 5
		a.agree(most)
		t.Trim()
		if got := a.agree(n); len(got) < 2 || got[len(got)-1] <= most {
			t.Errorf("asked for %v, want all until one after %d", got, most)
		}
		t.Trim()
		if got := t.Stats().Channels; got != 3 {
			t.Errorf("%d channels are left, want 3", got)
		}
		a.agree(n)
		t.Trim()
		if got := a.agree(n); len(got) > 0 {
			t.Errorf("below the ceiling it asked for %v", got)
		}
	})
}
