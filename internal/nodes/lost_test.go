package nodes

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lost
		want := func(when, want string) {
			t.Helper()
			if got := fmt.Sprint(l.names()); got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		want("at first", "[]")
		for _, name := range []string{"c", "a", "b", "d", "e"} {
			l.apply(change{node: Node{Name: name}})
		}
		want("died", "[a b c d e]")
		l.apply(change{node: Node{Name: "a"}, joined: true})
		l.apply(change{node: Node{Name: "b"}, bye: true})
		l.apply(change{node: Node{Name: "c"}, again: true})
		want("back, said goodbye, restarted", "[d e]")
		time.Sleep(lostFor - 1)
		l.apply(change{node: Node{Name: "e"}})
		want("just before", "[d e]")
		time.Sleep(time.Nanosecond)
		want("after", "[e]")
	})
}

// TestDeadIsLost: a node that has died is lost as soon as it is not alive. Otherwise an answer would
// for a moment neither include the node nor name it.
func TestDeadIsLost(t *testing.T) {
	inTown(t, func(t *testing.T, w town) {
		a := w.open("a")
		w.settle(BeatInterval / 3) // the beats of b come between two checks of a
		b := w.open("b")
		w.settle(BeatInterval / 3)
		w.crash(b)
		const step = 10 * time.Millisecond
		for passed := time.Duration(0); passed < 2*DeadAfter; passed += step {
			alive, lost := a.Names(), a.Lost()
			if len(alive)+len(lost) != 1 {
				t.Fatalf("after %v: alive are %v, and lost %v", passed, alive, lost)
			}
			w.settle(step)
		}
	})
}
