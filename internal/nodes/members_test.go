package nodes

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

func (w town) sees(g *Group, when string, want ...string) {
	w.Helper()
	synctest.Wait()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, g.Names()); diff != "" {
		w.Errorf("%s, %s sees:\n%s", when, g.name, diff)
	}
}

func TestNodesSeeEachOther(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		w.sees(a, "alone")
		b := w.open("b")
		w.sees(b, "when its Open returns", "a")
		w.sees(a, "just then", "b")
		o, text := w.options("c")
		o.Info = func() json.RawMessage { return json.RawMessage(`{"api":"http://c"}`) }
		started := time.Now()
		c, err := open(t.Context(), o, w.network.bus("c"))
		if err != nil {
			t.Fatal(err)
		}
		w.logs[c] = text
		w.settle(BeatInterval / 4)
		alive := a.Alive()
		want := []Node{
			{Name: "b", Incarnation: b.Incarnation(), Version: "1.2.3", Started: b.started, Silent: alive[0].Silent, Since: alive[0].Since},
			{
				Name: "c", Incarnation: c.Incarnation(), Version: "1.2.3", Started: started, Silent: BeatInterval / 4, Since: started.Add(helloWait),
				Info: json.RawMessage(`{"api":"http://c"}`),
			},
		}
		if diff := cmp.Diff(want, alive); diff != "" {
			t.Error(diff)
		}
		c.Close()
		c.Close()
		w.sees(a, "after the goodbye", "b")
		w.sees(c, "after its end", "a", "b")
		w.logged(a, 1, `level=INFO msg="a node has left the cluster" node=c`)
		w.crash(b)
		w.settle(DeadAfter - BeatInterval)
		w.sees(a, "before b is dead", "b")
		w.settle(BeatInterval * 3 / 2)
		w.sees(a, "after b is dead")
		w.logged(a, 1, `level=WARN msg="a node has died, or cannot be reached any more: look at its process and its log, and at the network" node=b`)
	})
}

// A node that restarts is another incarnation at once, also before its death was noticed.
func TestANodeRestarts(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b := w.open("a"), w.open("b")
		w.crash(b)
		again := w.open("b")
		synctest.Wait()
		if got := a.Alive(); len(got) != 1 || got[0].Incarnation != again.Incarnation() {
			t.Errorf("%+v, want incarnation %s", got, again.Incarnation())
		}
		w.logged(a, 0, "has died")
		w.logged(a, 1, `level=WARN msg="a node has restarted without a goodbye" node=b`)
		w.logged(a, 2, `msg="a node has joined the cluster" node=b`)
		w.logged(a, 0, "same name")
	})
}

func TestTwoNodesWithOneName(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		o, _ := w.options("a")
		_, err := open(t.Context(), o, w.network.bus("a"))
		want := fmt.Sprintf(`another live node has this name: "a" (incarnation %s): stop that node, or give this one another name`, a.Incarnation())
		if !errors.Is(err, ErrSameName) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
	inTown(t, func(t *testing.T, w town) { // at the same time
		var all sync.WaitGroup
		errs := make(chan error, 3)
		for range cap(errs) {
			all.Go(func() {
				o, _ := w.options("a")
				g, err := open(t.Context(), o, w.network.bus("a"))
				if err == nil {
					t.Cleanup(g.Close)
				}
				errs <- err
			})
		}
		all.Wait()
		failed := 0
		for range cap(errs) {
			if err := <-errs; errors.Is(err, ErrSameName) {
				failed++
			}
		}
		if failed != 2 {
			t.Errorf("%d of 3 fail", failed)
		}
	})
}

// Two nodes with one name that could not hear each other at first are reported, and the others use
// the one that started later.
func TestTwoNodesWithOneNameAreFoundLater(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		w.network.fate = func(to, subject string) int {
			if strings.HasPrefix(subject, "node."+to+".") {
				return 0
			}
			return 1
		}
		first := w.open("a")
		second := w.open("a")
		b := w.open("b")
		w.network.mu.Lock()
		w.network.fate = nil
		w.network.mu.Unlock()
		w.settle(10 * time.Second)
		w.logged(first, 1, `level=ERROR msg="another live node has the name of this node: stop one of them, or give it another name" node=a`)
		w.logged(second, 1, "another live node has the name of this node")
		w.logged(b, 1, `level=ERROR msg="two live nodes have the same name`)
		if got := b.Alive(); len(got) != 1 || got[0].Incarnation != second.Incarnation() {
			t.Errorf("%+v, want incarnation %s", got, second.Incarnation())
		}
		w.logged(b, 0, "has died")
	})
}

func TestALateMessageOfANodeThatLeft(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, b := w.open("a"), w.open("b")
		b.Close()
		w.sees(a, "after the goodbye")
		m := encode(beat{V: 1, Incarnation: b.Incarnation(), Started: b.started}, nil)
		a.heard("node.b.beat", m)
		w.sees(a, "after a late beat")
	})
}

// A process that was stopped has heard nothing meanwhile. That says nothing about the others.
func TestAStoppedProcessDoesNotLoseTheOthers(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a, _ := w.open("a"), w.open("b")
		w.settle(BeatInterval)
		a.members.mu.Lock()
		for _, m := range a.members.nodes {
			m.heard = m.heard.Add(-time.Hour)
		}
		a.members.checked = a.members.checked.Add(-time.Hour)
		a.members.mu.Unlock()
		w.settle(BeatInterval * 2)
		w.sees(a, "afterwards", "b")
		w.logged(a, 0, "died")
	})
}

func TestTooManyNodes(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		for i := range maxNodes + 2 {
			a.heard(fmt.Sprintf("node.n%d.beat", i), encode(beat{V: 1, Incarnation: newIncarnation()}, nil))
		}
		if got := len(a.Names()); got != maxNodes {
			t.Errorf("%d nodes", got)
		}
		w.logged(a, 1, "level=ERROR msg=\"there are more than 64 other nodes")
		for i := range 3 * maxNodes { // and those that leave
			a.heard(fmt.Sprintf("node.m%d.beat", i), encode(beat{V: 1, Incarnation: newIncarnation(), Bye: true}, nil))
		}
		if n := len(a.members.ended); n > 2*maxNodes {
			t.Errorf("%d ends are remembered", n)
		}
	})
}

func TestMessagesThatCannotBeRead(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		for _, data := range []string{"", "{}\n", "{}", "[]\n", `{"v":1,"incarnation":"x"}` + "\n", `{"v":0,"incarnation":"0123456789abcdef"}` + "\n", strings.Repeat(" ", maxHead) + "{}\n"} {
			a.heard("node.b.beat", []byte(data))
		}
		a.heard("node.b.later", []byte("x"))
		a.heard("node.b", []byte("x"))
		w.sees(a, "after garbage")
		w.logged(a, 1, "level=WARN msg=\"a message about a node cannot be read")
		a.heard("node.b.beat", []byte(`{"v":2,"incarnation":"0123456789abcdef","version":"9.0","unknown":[1]}`+"\n"))
		a.heard("node.b.beat", []byte(`{"v":2,"incarnation":"0123456789abcdef","version":"9.0"}`+"\n"))
		w.sees(a, "after a newer beat", "b")
		w.logged(a, 1, `level=WARN msg="a node has a newer version and other messages: update this node" node=b version=9.0 v=2`)
	})
}

func TestClocksThatDiffer(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		for difference := range 20 {
			now := clock.Wall().Add(time.Duration(difference-10) * time.Second)
			a.heard(fmt.Sprintf("node.n%d.beat", difference), encode(beat{V: 1, Incarnation: newIncarnation(), Now: now}, nil))
		}
		w.logged(a, 9, "level=WARN msg=\"the clock of another node differs")
		w.logged(a, 1, "node=n0 difference=-10s")
	})
}

func TestInfoThatCannotBeSent(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		for _, info := range []string{`{`, `"` + strings.Repeat("a", maxInfo) + `"`} {
			o, text := w.options("b")
			o.Info = func() json.RawMessage { return json.RawMessage(info) }
			b, err := open(t.Context(), o, w.network.bus("b"))
			if err != nil {
				t.Fatal(err)
			}
			w.logs[b] = text
			synctest.Wait()
			if got := a.Alive(); len(got) != 1 || got[0].Info != nil {
				t.Errorf("%+v", got)
			}
			w.logged(b, 1, "level=ERROR msg=\"the information about this node")
			b.Close()
			synctest.Wait()
		}
	})
}
