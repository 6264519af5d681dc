package authtest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// Each authority has the tokens, keys and revocations of the other.
func shared(t *testing.T, run Run) {
	inPair(t, run, func(t *testing.T, a, b *node) {
		text, made := create(t, a.Authority, auth.Token{User: "ann", Rules: rules(t, `[{"channels":["x"],"allow":["join"]}]`)})
		classic := mint(t, b.Authority)
		keyText, key := createKey(t, a.Authority, auth.Key{Name: "shop", Verbs: auth.KeyTokens})
		a.settle(t)

		g := grant(t, b.Authority, text)
		unnamed := [2]string{grant(t, a.Authority, classic).User, grant(t, b.Authority, classic).User}
		if g.User != "ann" || unnamed[0] != unnamed[1] {
			t.Errorf("users %s, %s", g.User, unnamed)
		}
		if k, err := b.CheckKey(keyText); err != nil || k.ID != key.ID {
			t.Errorf("got %v, %v", k, err)
		}

		b.hold(g, grant(t, b.Authority, classic))
		newRules := rules(t, `[{"channels":["y"],"allow":["join"]}]`)
		if _, _, err := a.UpdateToken(made.ID, auth.TokenChange{Rules: &newRules}); err != nil {
			t.Fatal(err)
		}
		want := []string{`ann is regranted [{"channels":["y"],"allow":["join"]}]`}
		if diff := cmp.Diff(want, b.took(t)); diff != "" {
			t.Errorf("after an update (-want +got):\n%s", diff)
		}
		if err := b.Valid(g); !errors.Is(err, boreas.ErrRulesChanged) {
			t.Errorf("the old grant: %v", err)
		}

		revoke(t, a.Authority, auth.Revocation{User: "ann"})
		revoke(t, a.Authority, auth.Revocation{Token: classic})
		slices.Sort(unnamed[:])
		want = []string{"ann is cut, with a grace of 0s", unnamed[0] + " is cut, with a grace of 0s"}
		if diff := cmp.Diff(want, b.took(t)); diff != "" {
			t.Errorf("after revocations (-want +got):\n%s", diff)
		}
		for name, got := range map[string]string{"ann": verdict(b.Authority, text), "classic": verdict(b.Authority, classic)} {
			if got == "valid" {
				t.Errorf("the token of %s is valid", name)
			}
		}
		revoke(t, b.Authority, auth.Revocation{Key: key.ID})
		a.settle(t)
		if _, err := a.CheckKey(keyText); !errors.Is(err, fault.InvalidKey) {
			t.Errorf("a revoked key: %v", err)
		}
		if ok, err := b.Unrevoke(auth.Revocation{User: "ann"}); err != nil || !ok {
			t.Errorf("unrevoke: %v, %v", ok, err)
		}
		a.settle(t)
		if got := verdict(a.Authority, text); got != "valid" {
			t.Errorf("a token that is valid again: %s", got)
		}
		if got := a.took(t); len(got) > 0 { // it has no sessions, and its caller handles its own changes
			t.Errorf("sessions of the first authority: %v", got)
		}
	})
}

// sharedRevocations: each kind of revocation is in force at the other authority, and revokes
// the tokens that were created there before.
func revocations(t *testing.T, run Run) {
	for name, r := range map[string]func(token, key string) auth.Revocation{
		"token":   func(token, _ string) auth.Revocation { return auth.Revocation{Token: token} },
		"user":    func(string, string) auth.Revocation { return auth.Revocation{User: "u"} },
		"key":     func(_, key string) auth.Revocation { return auth.Revocation{Key: key} },
		"all":     func(string, string) auth.Revocation { return auth.Revocation{IssuedBefore: time.Now()} },
		"changed": func(_, key string) auth.Revocation { return auth.Revocation{Key: key} },
	} {
		t.Run(name, func(t *testing.T) {
			inPair(t, run, func(t *testing.T, a, b *node) {
				_, key := createKey(t, a.Authority, auth.Key{Name: "k", Verbs: auth.KeyTokens})
				maker := key.ID
				if name == "changed" {
					maker = ""
				}
				text, made := create(t, b.Authority, auth.Token{User: "u", Key: maker})
				if name == "changed" {
					at := time.Now().Add(time.Hour)
					if _, _, err := b.UpdateToken(made.ID, auth.TokenChange{Expires: &at, Key: key.ID}); err != nil {
						t.Fatal(err)
					}
				}
				a.settle(t)
				b.hold(grant(t, b.Authority, text))
				revoke(t, a.Authority, r(made.ID, key.ID))
				if diff := cmp.Diff([]string{"u is cut, with a grace of 0s"}, b.took(t)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if got := verdict(b.Authority, text); got == "valid" {
					t.Error("the token is valid")
				}
			})
		})
	}
}
