package boreas

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWatchingDuringEnters has many sessions enter and leave at the same time, while watchers start
// or resync. Every event must apply to its watcher's state.
//
// clause 9.4
func TestWatchingDuringEnters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(queue)
		q.init()
		p := newPresence(q, "chat", presenceOptions{mode: PresenceFull, linger: time.Millisecond})
		defer p.close()
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 500 {
					session, user := fmt.Sprint("s", g, "-", i), fmt.Sprint("u", rand.IntN(5))
					p.enter(session, user, nil)
					if i%5 == 0 {
						p.linger(session, user, func() {})
					} else {
						p.leave(session, user)
					}
				}
				p.enter(fmt.Sprint("last", g), fmt.Sprint("last", g), nil)
			})
		}
		var views [3]*presenceView
		for g := range views {
			wg.Go(func() {
				for i := range 300 {
					if v := views[g]; i%2 == 0 {
						views[g] = watchPresence(p)
						continue
					} else if err := v.read(); err != nil {
						t.Error(err)
						return
					}
					var e PresenceEvent
					if err := json.Unmarshal(p.resync(views[g].sub), &e); err != nil {
						t.Error(err)
					}
					views[g].state = e.PresenceState
					runtime.Gosched()
					if err := views[g].read(); err != nil {
						t.Error("after resync:", err)
						return
					}
				}
			})
		}
		wg.Wait()
		<-time.After(time.Second)
		synctest.Wait()
		for i, v := range views {
			if err := v.read(); err != nil {
				t.Fatalf("watcher %d: %v", i, err)
			}
			if diff := cmp.Diff([]string{"last0 ", "last1 ", "last2 ", "last3 "}, names(v.state)); diff != "" {
				t.Errorf("watcher %d at the end:\n%s", i, diff)
			}
		}
	})
}

// TestWatchIsOneStep blocks a watch where it adds its subscription. A session that enters must wait
// until the watch is complete, because the watcher would miss it otherwise.
//
// clause 9.4
func TestWatchIsOneStep(t *testing.T) {
	p := newPresence(new(queue), "chat", presenceOptions{mode: PresenceFull})
	p.events.mu.Lock()
	done := make(chan struct{})
	go func() {
		watchPresence(p)
		close(done)
	}()
	held := 0 // number of consecutive attempts that found mu locked
	for tries := 0; held < 1000 && tries < 1_000_000; tries++ {
		held++
		if p.mu.TryLock() {
			p.mu.Unlock()
			held = 0
		}
		runtime.Gosched()
	}
	p.events.mu.Unlock()
	<-done
	if held < 1000 {
		t.Error("a session could have entered between the snapshot and the first event")
	}
}
