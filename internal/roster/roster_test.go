package roster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
)

func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 1)
		defer w.end()
		settle(time.Second) // they know each other
		test(t, w)
	})
}

// clauses 9.1, 9.4, 9.5
func TestPresenceOnAllNodes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, c := w.user(w.nodes[0], "w0", "a")
		first, _ := w.user(w.nodes[1], "ann", "a")
		second, _ := w.user(w.nodes[2], "ann", "a")
		w.user(w.nodes[2], "bob", "b")
		settle(0)
		w.agree("after joins", "a", "b")
		w.gone(w.nodes[1], first, boreas.ErrLeft)
		settle(0)
		w.agree("after the first leave", "a", "b")
		w.gone(w.nodes[2], second, boreas.ErrLeft)
		settle(0)
		w.agree("after the second leave", "a", "b")
		if diff := cmp.Diff([]string{"join ann", "leave ann"}, events(c)); diff != "" {
			t.Error(diff)
		}
		for _, n := range w.nodes {
			if asked := n.asks(); asked != 2 {
				t.Errorf("%s was asked %d times, want once by each node that joined", n.name, asked)
			}
		}
		for _, n := range w.nodes {
			if n.text.String() != "" {
				t.Error(n.text)
			}
		}
	})
}

// A change that is missing is noticed with the next change.
func TestAHoleInTheChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.nodes[1].asks()
		w.clock.Stop() // no beats
		w.set(1, 0)
		w.user(w.nodes[1], "ann", "a")
		settle(0)
		w.set(0, 0)
		w.user(w.nodes[1], "bob", "a")
		settle(time.Second)
		w.agree("after the second change", "a")
		if asked := w.nodes[1].asks(); asked != 2 {
			t.Errorf("it was asked %d times", asked)
		}
		w.user(w.nodes[1], "cid", "a")
		settle(time.Second)
		w.agree("after the third change", "a")
		if asked := w.nodes[1].asks(); asked != 0 {
			t.Errorf("it was asked %d times", asked)
		}
	})
}

// The last changes are missing. Nothing follows them but a beat.
func TestTheLastChangesAreMissing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set(1, 0)
		w.user(w.nodes[1], "ann", "a")
		settle(0)
		w.set(0, 0)
		settle(2 * time.Second)
		w.agree("after a beat", "a")
		if log := w.nodes[0].text.String(); log != "" {
			t.Error(log) // changes may be lost
		}
	})
}

// Two nodes do not have the same sessions, though no change is missing. That can only be an error in
// the program. A snapshot repairs it, and is not repeated without a pause if it does not help.
func TestADigestThatDiffers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s, _ := w.user(w.nodes[1], "ann", "a")
		w.user(w.nodes[1], "bob", "a")
		settle(time.Second)
		w.nodes[1].asks()
		other := w.nodes[0].roster.others["n1"]
		other.hub.Apply(boreas.PresenceChange{Kind: boreas.PresenceLeave, Channel: "a", Session: s.ID(), User: "ann"})
		settle(2 * time.Second)
		w.agree("after a change that was not told", "a")
		if asked := w.nodes[1].asks(); asked != 1 {
			t.Errorf("it was asked %d times", asked)
		}
		w.nodes[1].roster.own.mu.Lock()
		w.nodes[1].roster.own.told.Hash++
		w.nodes[1].roster.own.mu.Unlock()
		settle(10 * time.Minute)
		if asked := w.nodes[1].asks(); asked < 20 || asked > 40 {
			t.Errorf("two nodes asked %d times in ten minutes", asked)
		}
		if lines := w.nodes[0].text.Lines(); len(lines) < 10 || !strings.HasPrefix(lines[0], `level=WARN msg="this node does not have the same sessions of another node as that node itself: it takes a snapshot" node=n1 there=2 here=1`) {
			t.Error(lines)
		}
	})
}

// Contents and pages of another incarnation have no effect.
func TestAnotherIncarnation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.user(w.nodes[1], "ann", "a")
		settle(time.Second)
		to := watcher{w.nodes[0].roster}
		before := nodes.Node{Name: "n1", Incarnation: "before"}
		b := batch{2, []boreas.PresenceChange{{Kind: boreas.PresenceEnter, Channel: "a", Session: "s_n1_1", User: "ghost"}}}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		to.Told(before, text)
		to.Beat(before, json.RawMessage(`{"number":7,"places":1,"hash":"1"}`))
		to.Ended(before)
		settle(time.Minute)
		w.agree("afterwards", "a")

		// A new incarnation whose numbers fit to those of the one before.
		w.crash(w.nodes[1])
		again := w.start(1)
		w.user(again, "bob", "a")
		settle(time.Minute)
		w.agree("after a restart", "a")
	})
	inWorld(t, func(t *testing.T, w *world) { // another incarnation answers
		w.clock.Stop() // no beats
		settle(time.Second)
		life := w.nodes[1].life
		w.nodes[1].life = "another"
		w.nodes[0].call(func(v nodes.Watcher) { v.Ended(nodes.Node{Name: "n1", Incarnation: life}) })
		w.user(w.nodes[1], "ghost", "a")
		w.nodes[0].call(func(v nodes.Watcher) { v.Joined(nodes.Node{Name: "n1", Incarnation: life}) })
		settle(time.Second)
		if state, _ := w.nodes[0].hub.Presence("a"); state.Users != 0 {
			t.Errorf("%+v", state)
		}
		if log := w.nodes[0].text.String(); !strings.Contains(log, "another incarnation of the node has answered") {
			t.Error(log)
		}
		w.nodes[0].call(func(v nodes.Watcher) { v.Ended(nodes.Node{Name: "n1", Incarnation: life}) })
	})
}

// clause 9.6: users of a dead node who reconnect to another one cause no event, and the others leave
// in time.
func TestANodeDies(t *testing.T) {
	for _, inOrder := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			_, c0 := w.user(w.nodes[0], "w0", "a")
			_, c1 := w.user(w.nodes[1], "w1", "a")
			for i := range 10 {
				w.user(w.nodes[2], fmt.Sprint("u", i), "a")
			}
			settle(time.Second)
			ended := time.Now()
			if inOrder {
				w.leave(w.nodes[2])
			} else {
				w.crash(w.nodes[2])
			}
			for i := range 9 {
				settle(500 * time.Millisecond)
				w.user(w.nodes[i%2], fmt.Sprint("u", i), "a")
			}
			for _, c := range []*boreastest.Conn{c0, c1} {
				for time.Since(ended) < time.Minute && len(events(c)) == 10 {
					settle(100 * time.Millisecond)
				}
				want := []string{"join u0", "join u1", "join u2", "join u3", "join u4", "join u5", "join u6", "join u7", "join u8", "join u9", "leave u9"}
				if diff := cmp.Diff(want, events(c)); diff != "" {
					t.Errorf("in order: %v, events:\n%s", inOrder, diff)
				}
			}
			if most := linger + 3*time.Second; time.Since(ended) > most {
				t.Errorf("the last user leaves after %v, want at most %v", time.Since(ended), most)
			}
			settle(time.Minute)
			w.agree("at the end", "a")
		})
	}
}

// 100 crashes, each with restart: no user who reconnects in time is ever missing, and none is left
// behind.
func TestManyCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 2)
		defer w.end()
		w.set(0.04, 50*time.Millisecond) // with a tenth, four beats in a row are lost now and then
		settle(time.Second)
		const users = 30
		for i := range users {
			w.user(w.nodes[i%3], fmt.Sprint("u", i), "a")
		}
		settle(10 * time.Second)
		for round := range 100 {
			dies := round % 3
			_, c := w.user(w.nodes[(dies+1)%3], "w", "a")
			settle(time.Second)
			var homeless []string
			for _, user := range w.nodes[dies].users {
				if user != "w" {
					homeless = append(homeless, user)
				}
			}
			slices.Sort(homeless)
			before := len(events(c))
			w.crash(w.nodes[dies])
			for i, user := range homeless {
				settle(3 * time.Second / time.Duration(len(homeless)))
				w.user(w.nodes[(dies+1+i%2)%3], user, "a")
			}
			settle(time.Second)
			w.start(dies)
			settle(10 * time.Second)
			if got := events(c)[before:]; len(got) > 0 {
				t.Fatalf("round %d: %v", round, got)
			}
			w.agree(fmt.Sprint("after crash ", round), "a")
			for s, user := range w.nodes[(dies+1)%3].users {
				if user == "w" {
					w.gone(w.nodes[(dies+1)%3], s, boreas.ErrLeft)
				}
			}
		}
	})
}

// A snapshot has many pages, and sessions come and go meanwhile.
func TestASnapshotBesideChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cutOff(1, 0, true)
		settle(10 * time.Second)
		info := json.RawMessage(`"` + strings.Repeat("i", 1000) + `"`)
		for i := range 1500 {
			s, _ := w.user(w.nodes[1], fmt.Sprint("u", i), fmt.Sprint("r", i%10))
			s.Leave(fmt.Sprint("r", i%10))
			s.Join(t.Context(), []boreas.Join{{Channel: fmt.Sprint("r", i%10), Info: info}}, nil)
		}
		w.set(0, 300*time.Millisecond)
		w.nodes[1].asks()
		w.cutOff(1, 0, false)
		for range 200 {
			settle(20 * time.Millisecond)
			sessions := w.nodes[1].sessions()
			s := sessions[w.pick(len(sessions))]
			room := info2room(w.nodes[1], s)
			if room == "" {
				continue
			}
			if w.pick(2) == 0 {
				w.gone(w.nodes[1], s, boreas.ErrLeft)
			} else {
				s.Leave(room)
				s.Join(t.Context(), []boreas.Join{{Channel: room}}, nil)
			}
		}
		settle(20 * time.Second)
		if asked := w.nodes[1].asks(); asked < 4 {
			t.Errorf("the snapshot has %d pages", asked)
		}
		w.agree("at the end", "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9")
	})
}

func info2room(n *node, s *boreas.Session) string {
	if rooms := info(n, s); len(rooms) > 0 {
		return rooms[0]
	}
	return ""
}

// The changes that came while a snapshot was taken are applied after it, without events for sessions
// that left and entered meanwhile. If some are missing, the snapshot does not count.
func TestTheEndOfASnapshot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.clock.Stop() // no beats
		_, c := w.user(w.nodes[0], "w0", "a")
		change := func(kind boreas.PresenceKind, session, user string) boreas.PresenceChange {
			return boreas.PresenceChange{Kind: kind, Channel: "a", Session: session, User: user}
		}
		ann, bob := change("enter", "s_n1_1", "ann"), change("enter", "s_n1_2", "bob")
		annLeaves, bobLeaves := change("leave", "s_n1_1", "ann"), change("leave", "s_n1_2", "bob")
		o := w.nodes[0].roster.others["n1"]
		ends := func(number uint64, kept ...batch) error {
			o.mu.Lock()
			o.cancel = func() {}
			o.restart()
			o.hub.Begin()
			o.apply([]boreas.PresenceChange{ann, bob})
			for _, b := range kept {
				o.keep(b)
			}
			o.mu.Unlock()
			return o.complete(t.Context(), number)
		}
		all := batch{5, []boreas.PresenceChange{bobLeaves, bob, annLeaves, ann, bobLeaves}}
		if err := ends(6, all); err != nil || o.applied != 9 || o.cancel != nil || o.kept != nil {
			t.Errorf("%v, up to %d", err, o.applied)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"join ann", "join bob", "leave bob"}, events(c)); diff != "" {
			t.Error(diff)
		}
		if err := ends(10, all, batch{12, []boreas.PresenceChange{annLeaves}}); err != errMissing {
			t.Errorf("with a hole: %v", err)
		}
		o.cancel = nil
	})
}

// Of the changes that come during a snapshot, only the last one of each session counts.
func TestUnite(t *testing.T) {
	c := func(kind boreas.PresenceKind, session, user string) boreas.PresenceChange {
		return boreas.PresenceChange{Kind: kind, Channel: "a", Session: session, User: user}
	}
	got := unite([]boreas.PresenceChange{
		c("leave", "1", "ann"), c("enter", "2", "bob"), c("info", "", "bob"), c("enter", "1", "ann"), c("info", "", "ann"), c("leave", "2", "bob"), c("info", "", "bob"),
	})
	want := []boreas.PresenceChange{c("enter", "1", "ann"), c("info", "", "ann"), c("leave", "2", "bob"), c("info", "", "bob")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
