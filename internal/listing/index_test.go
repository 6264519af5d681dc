package listing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestNameIndex compares the index with a set, while names are added and removed in random and in
// sorted order.
func TestNameIndex(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 0))
		var x Index
		set := map[string]bool{}
		name := func() string { return fmt.Sprintf("%x", r.IntN(3000)) }
		check := func() {
			t.Helper()
			for _, prefix := range []string{"", "1", name(), "zz"} {
				for _, after := range []string{"", "0", "1", "15", name(), "zzz"} {
					var want []string
					for n := range set {
						if n > after && strings.HasPrefix(n, prefix) {
							want = append(want, n)
						}
					}
					slices.Sort(want)
					limit := r.IntN(len(want) + 2)
					want = want[:min(limit, len(want))]
					var got []string
					x.Each(prefix, after, func(n string) bool {
						if len(got) == limit {
							return false
						}
						got = append(got, n)
						return true
					})
					if !slices.Equal(got, want) {
						t.Fatalf("prefix %q after %q, %d of them: got %q, want %q", prefix, after, limit, got, want)
					}
				}
			}
			for _, b := range x.blocks {
				if len(b) == 0 || len(b) > maxBlock {
					t.Fatalf("a block of %d names", len(b))
				}
			}
		}
		if seed%2 == 0 {
			for i := range 3000 {
				n := fmt.Sprintf("%04x", i)
				x.Add(n)
				set[n] = true
			}
			if len(x.blocks) > 3000/maxBlock+1 {
				t.Errorf("%d blocks", len(x.blocks))
			}
			check()
		}
		for _, remove := range []int{1, 3, 2, 5} { // grows, shrinks, stays, shrinks
			for range 4000 {
				n := name()
				if r.IntN(4) < remove {
					x.Remove(n)
					delete(set, n)
				} else {
					x.Add(n)
					x.Add(n)
					set[n] = true
				}
			}
			check()
		}
		for n := range set {
			x.Remove(n)
			delete(set, n)
		}
		check()
		if x.blocks != nil {
			t.Errorf("%d blocks are left", len(x.blocks))
		}
	}
}
