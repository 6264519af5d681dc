package auth

import (
	"fmt"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas"
)

// TestRevokeWhateverTheClock: tokens of the server's own are taken back by their order. The
// clock may have been set back, or forth, since they were made or since the revocation.
func TestRevokeWhateverTheClock(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, 0, time.Hour} {
		for _, restart := range []string{"", "restart", "compaction"} {
			t.Run(fmt.Sprint(step, " ", restart), func(t *testing.T) {
				a := open(t, Options{DataDir: t.TempDir()})
				again := func() {
					switch restart {
					case "restart":
						a = reopen(t, a)
					case "compaction":
						if err := a.journal.rewrite(a.state); err != nil {
							t.Fatal(err)
						}
						a = reopen(t, a)
					}
				}
				before := createAt(t, a, "u1", time.Now().Add(step))
				other := createAt(t, a, "u2", time.Now().Add(step))
				held := grant(t, a, before)
				again()
				match := revoke(t, a, Revocation{User: "u1"})
				again()
				after := createAt(t, a, "u1", time.Now().Add(-step))
				again()
				if !match(held) {
					t.Error("the sessions of the token from before stay")
				}
				if match(grant(t, a, after)) {
					t.Error("the sessions of the token from afterwards are cut")
				}
				if got := verdict(a, before) + ", " + verdict(a, after) + ", " + verdict(a, other); got != "token_revoked, valid, valid" {
					t.Error(got)
				}
				// Once more, and by a time: both hold.
				past := time.Now().Add(-2 * time.Hour)
				revoke(t, a, Revocation{User: "u1", IssuedBefore: past})
				again()
				if got := verdict(a, before) + ", " + verdict(a, after); got != "token_revoked, valid" {
					t.Error("with a time:", got)
				}
				revoke(t, a, Revocation{User: "u1"})
				again()
				if got := verdict(a, before) + ", " + verdict(a, after); got != "token_revoked, token_revoked" {
					t.Error("once more:", got)
				}
			})
		}
	}
}

// TestRevokeAllWhateverTheClock: what there is when all that was issued until now is revoked
// goes, whatever the clock said when it was issued.
func TestRevokeAllWhateverTheClock(t *testing.T) {
	a := open(t, Options{})
	before := createAt(t, a, "u1", time.Now().Add(time.Hour))
	revoke(t, a, Revocation{IssuedBefore: time.Now().Add(time.Second)})
	if got := verdict(a, before); got != "token_revoked" {
		t.Error(got)
	}
	if after := createAt(t, a, "u1", time.Now().Add(2*time.Second)); verdict(a, after) != "valid" {
		t.Error(verdict(a, after))
	}
}

// TestBackendsAnswersWhateverTheClock: so are the answers of the backend.
func TestBackendsAnswersWhateverTheClock(t *testing.T) {
	a := open(t, Options{})
	answered := func(at time.Time) *boreas.Grant {
		return &boreas.Grant{TokenID: "ext_1", Kind: "backend", User: "u1", Named: true, Issued: at, Serial: a.serial()}
	}
	before := answered(time.Now().Add(time.Hour))
	match := revoke(t, a, Revocation{User: "u1"})
	after := answered(time.Now().Add(-time.Hour))
	if a.Valid(before) == nil || !match(before) {
		t.Error("the answer from before stays")
	}
	if err := a.Valid(after); err != nil || match(after) {
		t.Error("the answer from afterwards does not hold:", err)
	}
}

// TestJWTAndTheClock: a JWT that was taken was issued before each revocation that follows,
// also if the clock was set back in between.
func TestJWTAndTheClock(t *testing.T) {
	a := open(t, Options{})
	g := &boreas.Grant{TokenID: "jwt_1", Kind: "jwt", User: "u1", Named: true, Issued: time.Now().Add(time.Hour)}
	a.noteIssued(g.Issued)
	a.noteIssued(g.Issued.Add(-time.Minute))
	match := revoke(t, a, Revocation{User: "u1"})
	if a.Valid(g) == nil || !match(g) {
		t.Error("it stays")
	}
}

// createAt makes a token at a time of the clock.
func createAt(t *testing.T, a *Authority, user string, at time.Time) string {
	t.Helper()
	text := newSecret(tokenPrefix)
	a.writing.Lock()
	defer a.writing.Unlock()
	l := &line{Op: opToken, ID: newID(tokenIDPrefix), Hash: digestOf(text), User: user, Created: at.UTC(), Serial: a.state.serial + 1}
	if err := a.commit(l); err != nil {
		t.Fatal(err)
	}
	return text
}
