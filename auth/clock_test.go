package auth

import (
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// A clock that is set forward for a moment restores no revoked token, and revokes no token
// permanently.
func TestAClockSetForwardForgetsNothing(t *testing.T) {
	a := open(t, Options{})
	text, made := create(t, a, Token{User: "ann", Expires: time.Now().Add(time.Minute)})
	revoke(t, a, Revocation{User: "bob", Until: time.Now().Add(time.Minute)})
	undo := clock.Step(24 * time.Hour)
	defer undo()
	mint(t, a) // each change removes expired tokens and revocations
	undo()
	if got := verdict(a, text); got != "valid" {
		t.Errorf("the token of an hour ago with a TTL of a minute: %s", got)
	}
	if n := a.Revocations(); n != 1 {
		t.Errorf("%d revocations are known", n)
	}
	if got := made.Expires; got != got.Round(0) {
		t.Error("the expiry has a monotonic reading, so it would change at a restart")
	}
}

// An expiry is always a time of the wall clock.
func TestExpiriesAreWallTime(t *testing.T) {
	a := open(t, Options{})
	later := time.Now().Add(time.Hour)
	text, made := create(t, a, Token{User: "ann", Expires: later})
	if _, _, err := a.UpdateToken(made.ID, TokenChange{Expires: &later}); err != nil {
		t.Fatal(err)
	}
	_, key := createKey(t, a, Key{Name: "k", Verbs: KeyStats, Expires: later})
	for what, at := range map[string]time.Time{"token's": grant(t, a, text).Expires, "key's": key.Expires} {
		if at != later.UTC().Round(0) {
			t.Errorf("the %s expiry is %v, want %v without a monotonic reading", what, at, later)
		}
	}
}
