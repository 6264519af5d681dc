package clusterstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// readers opens stores on one log. Each of them compacts after five lines.
func readers(t *testing.T, claimLife time.Duration) (a, b, c *reader) {
	t.Helper()
	s := natstest.Start(t)
	all := [3]*reader{}
	for i := range all {
		r := openReader(t, "boreas", fmt.Sprintf("n%d", i), s)
		t.Cleanup(func() { r.Close() }) //nolint:errcheck // it returns none
		r.Hurry(5, claimLife)
		if err := r.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		all[i] = r
	}
	return all[0], all[1], all[2]
}

func (r *reader) mustChange(t *testing.T, lines ...string) {
	t.Helper()
	if err := errors.Join(r.catchUp(t.Context()), r.change(t.Context(), lines...)); err != nil {
		t.Fatal(err)
	}
}

func (r *reader) mustHave(t *testing.T, names ...string) {
	t.Helper()
	if err := r.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool)
	for _, name := range names {
		want[name] = true
	}
	if diff := cmp.Diff(want, r.names); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func nothing(int) error { return nil }

// mustCompact compacts. Nobody else may change anything meanwhile.
func (r *reader) mustCompact(t *testing.T) {
	t.Helper()
	eventually(t, "a compaction", func() bool { // it must have read the claim of a compaction before
		if err := r.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if compact := r.Compaction(); compact != nil {
			if err := compact(t.Context(), r.lines(nothing)); err != nil {
				t.Fatal(err)
			}
		}
		subjects, err := r.Subjects(t.Context())
		return err == nil && subjects["boreas.auth.log.change"] == 1
	})
}

// TestBehind: a store that has not read lines that were replaced says so, whether there are later lines
// or not. A store that has read them goes on.
func TestBehind(t *testing.T) {
	for name, more := range map[string]bool{"with later lines": true, "without later lines": false} {
		t.Run(name, func(t *testing.T) {
			a, b, c := readers(t, time.Hour)
			a.mustChange(t, "+1", "+2")
			b.mustHave(t, "1", "2")
			a.mustChange(t, "-1", "+3", "+4", "+5")
			a.mustChange(t, "-3")
			c.mustHave(t, "2", "4", "5")
			a.mustCompact(t)
			want := []string{"2", "4", "5"}
			if more {
				a.mustChange(t, "+6")
				want = append(want, "6")
			}
			if _, err := c.Replay(t.Context(), c.at, c.apply); err != nil {
				t.Errorf("a store that has read everything: %v", err)
			}
			if _, err := b.Replay(t.Context(), b.at, b.apply); !errors.Is(err, auth.ErrCompacted) {
				t.Errorf("a store that is behind: %v", err)
			}
			if _, err := b.Append(t.Context(), b.at, []byte("+7")); !errors.Is(err, auth.ErrConflict) {
				t.Errorf("append: %v", err)
			}
			b.mustHave(t, want...)
			c.mustHave(t, want...)
			b.mustChange(t, "+8")
			c.mustHave(t, append(want, "8")...)
		})
	}
}

// TestClaim: one node compacts at a time.
func TestClaim(t *testing.T) {
	a, b, _ := readers(t, time.Hour)
	a.mustChange(t, "+1", "+2", "+3", "+4", "+5")
	b.mustHave(t, "1", "2", "3", "4", "5")
	compact, late := a.Compaction(), b.Compaction()
	if compact == nil || late == nil {
		t.Fatal("no compaction is due")
	}
	err := compact(t.Context(), a.lines(func(i int) error {
		if i > 0 {
			return nil
		}
		// This one knows nothing of the claim, and its own is refused.
		if err := late(t.Context(), func(func([]byte) error) error { t.Error("a second node compacts"); return nil }); err != nil {
			t.Error(err)
		}
		eventually(t, "the second node sees the claim", func() bool {
			b.mustHave(t, "1", "2", "3", "4", "5")
			return b.Compaction() == nil
		})
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "no other compaction is due", func() bool {
		b.mustHave(t, "1", "2", "3", "4", "5")
		return b.Compaction() == nil
	})
}

// TestTakeover: a node that takes too long does not replace what another one has compacted meanwhile.
func TestTakeover(t *testing.T) {
	for name, small := range map[string]bool{"small messages": true, "one message": false} {
		t.Run(name, func(t *testing.T) {
			a, b, c := readers(t, 0)
			if !small {
				a.LargeMessages()
			}
			a.mustChange(t, "+1", "+2", "+3", "+4", "+5")
			slow := a.Compaction()
			err := slow(t.Context(), a.lines(func(i int) error {
				if i == 2 {
					b.mustChange(t, "+6", "-1")
					b.mustCompact(t)
				}
				return nil
			}))
			if err == nil || !strings.Contains(err.Error(), "another node has compacted") {
				t.Errorf("the slow node: %v", err)
			}
			for _, r := range []*reader{a, b, c} {
				r.mustHave(t, "2", "3", "4", "5", "6")
			}
		})
	}
}

// TestCrash: a compaction that ends at any moment changes nothing for readers, and the next one removes
// what it has left behind.
func TestCrash(t *testing.T) {
	for moment := range 5 {
		a, b, c := readers(t, 0)
		a.mustChange(t, "+1", "+2", "+3", "+4")
		a.mustChange(t, "+5", "-5")
		b.mustHave(t, "1", "2", "3", "4")
		ctx, crash := context.WithCancel(t.Context())
		done, err := a.CompactAndCrash(ctx, a.lines(func(i int) error {
			if i == moment {
				crash()
			}
			return nil
		}))
		crash()
		if done != (moment == 4) || !done && !errors.Is(err, context.Canceled) {
			t.Errorf("moment %d: %v, %v", moment, done, err)
		}
		late := openReader(t, "boreas", "late", a.server)
		late.mustHave(t, "1", "2", "3", "4")
		late.Close() //nolint:errcheck // it returns none
		b.mustHave(t, "1", "2", "3", "4")
		b.mustChange(t, "+6")
		for range 10 { // so many that another compaction is due
			b.mustChange(t, "+7", "-7")
		}
		b.mustCompact(t)
		a.mustHave(t, "1", "2", "3", "4", "6")
		c.mustHave(t, "1", "2", "3", "4", "6")
		subjects, err := b.Subjects(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for subject := range subjects {
			if strings.HasPrefix(subject, "boreas.auth.lines.") {
				lines++
			}
		}
		// The lines that count remain until the next compaction but one, so that readers can finish.
		if want := 1 + moment/4; lines != want {
			t.Errorf("moment %d: the stream has %v", moment, subjects)
		}
	}
}

// TestCompactionUnderLoad: authorities create, change and revoke tokens while their stores compact all
// the time. Each has the result of every acknowledged change.
func TestCompactionUnderLoad(t *testing.T) {
	s := natstest.Start(t)
	all := make([]*auth.Authority, 3)
	for i := range all {
		store := openStore(t, options(fmt.Sprintf("n%d", i), s))
		store.Hurry(20, time.Second)
		all[i] = authorityOn(t, store)
	}
	valid := make(map[string]bool) // by the text of a token
	var mu sync.Mutex
	var group sync.WaitGroup
	for i, a := range all {
		group.Go(func() {
			for n := range 150 {
				text, made, err := a.CreateToken(auth.Token{User: fmt.Sprintf("u%d", i)})
				if err == nil && n%3 > 0 {
					_, err = a.Revoke(auth.Revocation{Token: made.ID})
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				valid[text] = n%3 == 0
				mu.Unlock()
			}
		})
	}
	group.Wait()
	all = append(all, openAuthority(t, options("late", s)))
	for _, a := range all {
		for _, other := range all {
			if _, err := a.ApplyUpTo(t.Context(), other.Position(), ""); err != nil {
				t.Fatal(err)
			}
		}
		got := make(map[string]bool)
		for text := range valid {
			got[text] = verdict(a, text) == "valid"
		}
		if diff := cmp.Diff(valid, got); diff != "" {
			t.Errorf("validity of tokens (-want +got):\n%s", diff)
		}
	}
	r := openReader(t, "boreas", "counter", s)
	defer r.Close() //nolint:errcheck // it returns none
	subjects, err := r.Subjects(t.Context())
	if n := subjects["boreas.auth.log.change"]; err != nil || n > 300 {
		t.Errorf("%d of %d changes remain, %v: the stores have not compacted", n, 750, err)
	}
}

func verdict(a *auth.Authority, text string) string {
	if _, err := a.Check(access.Credentials{Token: text}); err != nil {
		return fault.Of(err).Code
	}
	return "valid"
}
