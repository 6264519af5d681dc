package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// This file is about the number of sessions to which the changes of another authority applied.

// applied returns the number of sessions of n to which a change of a applied.
func applied(t *testing.T, n, a *node, change string) int {
	t.Helper()
	sessions, err := n.ApplyUpTo(t.Context(), a.Position(), change)
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// The numbers are right, whether b reads a change by itself, or because it is asked for it.
func TestApplyUpTo(t *testing.T) {
	for name, first := range map[string]func(){"b reads first": synctest.Wait, "b is asked first": func() {}} {
		t.Run(name, func(t *testing.T) {
			inPair(t, func(t *testing.T, a, b *node) {
				tokens := make(map[string]Token)
				for _, user := range []string{"ann", "bob", "eve"} {
					text, made := create(t, a.Authority, Token{User: user})
					tokens[user] = made
					synctest.Wait()
					g := grant(t, b.Authority, text)
					b.sessions = append(b.sessions, g, g)
				}
				// The first revocation has a grace, so its sessions remain. The others do not count them.
				revoke(t, a.Authority, Revocation{User: "ann", Grace: 30 * time.Second, Change: "1"})
				first()
				if n := applied(t, b, a, "1"); n != 2 {
					t.Errorf("the revocation of ann: %d sessions", n)
				}
				revoke(t, a.Authority, Revocation{Token: tokens["bob"].ID, Change: "2"})
				first()
				if n := applied(t, b, a, "2"); n != 2 {
					t.Errorf("the revocation of bob's token: %d sessions", n)
				}
				label := "x"
				_, regrant, err := a.UpdateToken(tokens["eve"].ID, TokenChange{Label: &label, Change: "3"})
				if err != nil || regrant == nil {
					t.Fatal(err)
				}
				first()
				if n := applied(t, b, a, "3"); n != 2 {
					t.Errorf("the change of eve's token: %d sessions", n)
				}
				revoke(t, a.Authority, Revocation{IssuedBefore: time.Now(), Change: "4"})
				first()
				if n := applied(t, b, a, "4"); n != 4 {
					t.Errorf("the revocation of all: %d sessions", n)
				}
				if n := applied(t, b, a, "unknown"); n != 0 {
					t.Errorf("an unknown change: %d sessions", n)
				}
				const ann, eve = "ann is cut, with a grace of ", "eve is cut, with a grace of 0s"
				bob := "bob is cut, with a grace of 0s"
				want := []string{ann + "30s", ann + "30s", bob, bob, "eve is regranted null", ann + "0s", ann + "0s", eve, eve}
				if diff := cmp.Diff(want, b.took()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// b reads several revocations at once. Each session counts for the first one, and gets the shortest
// grace.
func TestApplySeveralRevocations(t *testing.T) {
	inPair(t, func(t *testing.T, a, b *node) {
		for _, user := range []string{"ann", "bob"} {
			text, _ := create(t, a.Authority, Token{User: user})
			synctest.Wait()
			b.sessions = append(b.sessions, grant(t, b.Authority, text))
		}
		b.store.goDown(errors.New("no contact"))
		revoke(t, a.Authority, Revocation{User: "ann", Grace: time.Hour, Change: "1"})
		revoke(t, a.Authority, Revocation{User: "bob", Grace: time.Minute, Change: "2"})
		revoke(t, a.Authority, Revocation{User: "ann", Grace: time.Minute, Change: "3"})
		if n, err := b.ApplyUpTo(t.Context(), a.Position(), "1"); err == nil || !strings.Contains(err.Error(), "no contact") {
			t.Errorf("without contact: %d, %v", n, err)
		}
		b.store.goDown(nil)
		var got []int
		for _, change := range []string{"1", "2", "3"} {
			got = append(got, applied(t, b, a, change))
		}
		if diff := cmp.Diff([]int{1, 1, 1}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		want := []string{"ann is cut, with a grace of 1m0s", "bob is cut, with a grace of 1m0s", "ann is cut, with a grace of 1h0m0s"}
		if diff := cmp.Diff(want, b.took()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := b.ApplyUpTo(t.Context(), a.Position()+1, "3"); err == nil || !strings.Contains(err.Error(), "no later changes") {
			t.Errorf("a later position: %v", err)
		}
	})
}

// A revocation that was canceled before b read it ends no sessions.
func TestApplyCanceledRevocation(t *testing.T) {
	inPair(t, func(t *testing.T, a, b *node) {
		text, _ := create(t, a.Authority, Token{User: "ann"})
		synctest.Wait()
		b.sessions = []*access.Grant{grant(t, b.Authority, text)}
		b.store.goDown(errors.New("no contact"))
		revoke(t, a.Authority, Revocation{User: "ann", Change: "1"})
		if _, err := a.Unrevoke(Revocation{User: "ann"}); err != nil {
			t.Fatal(err)
		}
		b.store.goDown(nil)
		if n, events := applied(t, b, a, "1"), b.took(); n != 0 || len(events) > 0 {
			t.Errorf("%d sessions, %v", n, events)
		}
	})
}

// Without a store there are no others.
func TestApplyUpToWithoutStore(t *testing.T) {
	a := open(t, Options{})
	if n, err := a.ApplyUpTo(context.Background(), a.Position(), "1"); n != 0 || err != nil || a.Position() != 0 {
		t.Errorf("%d, %v, position %d", n, err, a.Position())
	}
}

// Only the newest changes are remembered.
func TestAffectedIsBounded(t *testing.T) {
	var s affected
	s.add("", 1)
	for i := range 3 * maxAffected {
		s.add(fmt.Sprint(i), 1)
		s.add(fmt.Sprint(i), i)
	}
	if len(s.sessions) != maxAffected || len(s.order) != maxAffected {
		t.Errorf("%d changes and %d in order", len(s.sessions), len(s.order))
	}
	for i, want := range map[int]int{2*maxAffected - 1: 0, 2 * maxAffected: 2*maxAffected + 1, 3*maxAffected - 1: 3 * maxAffected} {
		if got := s.sessions[fmt.Sprint(i)]; got != want {
			t.Errorf("change %d: %d sessions, want %d", i, got, want)
		}
	}
}
