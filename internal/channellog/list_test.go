package channellog

import (
	"slices"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"pgregory.net/rapid"
)

// TestPubList compares the list with a plain slice. The list holds no dropped publications, and its
// array is never much larger than its content.
func TestPubList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var q pubList
		var want []*engine.Publication
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			if rapid.IntRange(0, 5).Draw(rt, "push to the front") == 0 {
				front := make([]*engine.Publication, rapid.IntRange(1, 100).Draw(rt, "pushed to the front"))
				for i := range front {
					front[i] = new(engine.Publication)
				}
				q.pushFront(front, make([]clock.Mono, len(front)))
				want = append(front, want...)
			} else if rapid.Bool().Draw(rt, "push") {
				for range rapid.IntRange(1, 100).Draw(rt, "pushed") {
					p := new(engine.Publication)
					q.push(p, 0)
					want = append(want, p)
				}
			} else {
				n := rapid.IntRange(0, len(want)).Draw(rt, "dropped")
				q.drop(n)
				want = want[n:]
			}
			if !slices.Equal(q.live(), want) || q.len() != len(want) {
				rt.Fatalf("the list has %d publications, want %d", q.len(), len(want))
			}
			if c := cap(q.all); c > 64 && c > 4*len(want)+4 {
				rt.Fatalf("the list has room for %d publications and contains %d", c, len(want))
			}
			held := 0
			for _, p := range q.all[:cap(q.all)] {
				if p != nil {
					held++
				}
			}
			if held != len(want) {
				rt.Fatalf("the array holds %d publications, want %d", held, len(want))
			}
		}
	})
}

func TestPubListAtItsBoundDoesNotGrow(t *testing.T) {
	for _, bound := range []int{1, 2, 10, 1000} {
		var q pubList
		p := new(engine.Publication)
		for range bound {
			q.push(p, 0)
		}
		step := func() { q.push(p, 0); q.drop(q.len() - bound) }
		for range 2 * bound {
			step()
		}
		if n := testing.AllocsPerRun(10*bound, step); n != 0 {
			t.Errorf("with %d publications: %v allocations per publication", bound, n)
		}
	}
}
