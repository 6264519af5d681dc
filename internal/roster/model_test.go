package roster

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/boreas-pubsub/boreas/v2"
)

// Users come and go on three nodes. The nodes crash, leave in order, and are cut off from each other.
// Changes, beats and answers are lost, late or doubled. Once all is quiet, every node shows exactly
// the live sessions: no ghost, and nobody is missing.
//
// clauses 9.4, 9.5, 9.6
func TestPresenceAgainstTheTruth(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			w := newWorld(rt, 3, rapid.Uint64().Draw(rt, "seed"))
			defer w.end()
			draw := func(most int, what string) int { return rapid.IntRange(0, most).Draw(rt, what) }
			any := func() *node { return w.nodes[draw(2, "node")] }
			enter := func() {
				if n := any(); !n.gone() {
					w.user(n, fmt.Sprint("u", draw(3, "user")), fmt.Sprint("r", draw(1, "room")))
				}
			}
			end := func(reason error) func() {
				return func() {
					n := any()
					if all := n.sessions(); len(all) > 0 {
						w.gone(n, all[draw(len(all)-1, "session")], reason)
					}
				}
			}
			actions := map[string]func(){
				"enter": enter, "come": enter, "arrive": enter,
				"leave": end(boreas.ErrLeft),
				"lose":  end(boreas.ErrPingTimeout),
				"crash": func() { w.crash(any()) },
				"drain": func() {
					if n := any(); !n.gone() {
						w.leave(n)
					}
				},
				"start": func() {
					if i := draw(2, "node"); w.nodes[i].gone() {
						w.start(i)
					}
				},
				"cut": func() {
					if from, to := draw(2, "from"), draw(2, "to"); from != to {
						w.cutOff(from, to, draw(1, "cut") == 1)
					}
				},
				"faults": func() { w.set(float64(draw(5, "loss"))/10, time.Duration(draw(3, "delay"))*100*time.Millisecond) },
				"while":  func() { settle(time.Duration(draw(30, "while")) * 100 * time.Millisecond) },
				"moment": func() { settle(time.Duration(draw(30, "moment")) * time.Millisecond) },
			}
			kinds := slices.Sorted(maps.Keys(actions))
			for range draw(60, "steps") {
				actions[rapid.SampledFrom(kinds).Draw(rt, "action")]()
			}
			w.set(0, 0)
			w.mu.Lock()
			clear(w.cut)
			w.mu.Unlock()
			settle(2*maxPause + 2*linger) // a snapshot that failed often is tried again late
			w.agree("at the end", "r0", "r1")
			for _, n := range w.nodes {
				if n.gone() {
					continue
				}
				for _, o := range n.roster.others {
					if o.ended() && o.hub.Digest() != (boreas.PresenceDigest{}) {
						rt.Errorf("%s keeps sessions of %s: %+v", n.name, o.name, o.hub.Digest())
					}
				}
			}
		})
	})
}

// The contents of a node's messages are bounded. The others take a snapshot if it was too much.
func TestTooManyChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.nodes[1]
		n.asks()
		n.roster.own.mu.Lock() // the teller waits
		n.roster.own.queue = make([]boreas.PresenceChange, maxQueue)
		n.roster.own.latest.Number += maxQueue
		n.roster.own.mu.Unlock()
		w.user(n, "ann", "a")
		if len(n.roster.own.queue) != 0 {
			t.Errorf("%d changes wait", len(n.roster.own.queue))
		}
		settle(2 * time.Second)
		w.agree("after too many changes", "a")
		if asked := n.asks(); asked != 2 {
			t.Errorf("it was asked %d times", asked)
		}
		w.user(n, "bob", "a")
		settle(0)
		w.agree("and a further one", "a")
		want := []string{`level=WARN msg="the presence changes faster than the other nodes can be told: they will take snapshots" changes=65536`}
		if diff := cmp.Diff(want, n.text.Lines()); diff != "" {
			t.Error(diff)
		}
	})
}

// The memory of a node that takes a snapshot is also bounded.
func TestTooManyChangesDuringASnapshot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set(0, 0)
		w.user(w.nodes[1], "ann", "a")
		settle(time.Second)
		o := w.nodes[0].roster.others["n1"]
		o.mu.Lock()
		o.sync()
		for range maxKept/1000 + 2 {
			o.keep(batch{1 << 40, make([]boreas.PresenceChange, 1000)})
		}
		if len(o.kept) > 0 || !o.tooMany {
			t.Errorf("%d batches are kept", len(o.kept))
		}
		o.mu.Unlock()
		settle(10 * time.Second)
		w.agree("afterwards", "a")
	})
}
