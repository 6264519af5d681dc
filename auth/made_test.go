package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// TestRevokeKeyAndItsTokens: the revocation of a key permanently revokes the tokens that it created and
// changed, and leaves the keys that it created.
func TestRevokeKeyAndItsTokens(t *testing.T) {
	for _, until := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			a := open(t, Options{DataDir: t.TempDir()})
			_, bad := createKey(t, a, Key{Name: "bad", Verbs: KeyAdmin})
			_, good := createKey(t, a, Key{Name: "good", Verbs: KeyAdmin})
			childText, child := createKey(t, a, Key{Name: "child", Verbs: KeyStats, Key: bad.ID})
			texts := map[string]string{}
			make := func(name, key string) Token {
				text, made := create(t, a, Token{User: name, Key: key})
				texts[name] = text
				return made
			}
			make("made by it", bad.ID)
			make("made by another", good.ID)
			labelled, widened, longer := make("labelled", good.ID), make("widened", good.ID), make("longer", "")
			classic, err := a.Mint(bad.ID)
			if err != nil {
				t.Fatal(err)
			}
			texts["classic"] = classic
			all, label, end := rules(t, `[{"channels":["**"],"allow":["join"]}]`), "x", time.Now().Add(time.Hour)
			for id, change := range map[string]TokenChange{
				labelled.ID: {Label: &label, Key: bad.ID}, widened.ID: {Rules: &all, Key: bad.ID}, longer.ID: {Expires: &end, Key: bad.ID},
			} {
				if _, _, err := a.UpdateToken(id, change); err != nil {
					t.Fatal(err)
				}
			}
			// Later changes by another key do not hide the first one.
			if _, _, err := a.UpdateToken(widened.ID, TokenChange{Rules: &all, Key: good.ID}); err != nil {
				t.Fatal(err)
			}
			a = reopen(t, a)
			if diff := cmp.Diff(Made{Tokens: 2, Changed: 2, Keys: []string{child.ID}}, a.MadeWith(bad.ID)); diff != "" {
				t.Errorf("made (-want +got):\n%s", diff)
			}
			r := Revocation{Key: bad.ID}
			if until > 0 {
				r.Until = time.Now().Add(until)
			}
			held := map[string]*access.Grant{}
			for name, text := range texts {
				held[name] = grant(t, a, text)
			}
			match := revoke(t, a, r)
			check := func(when string) {
				t.Helper()
				for name, text := range texts {
					want := name == "made by another" || name == "labelled"
					if got := verdict(a, text) == "valid"; got != want {
						t.Errorf("%s: %s: valid %v", when, name, got)
					}
				}
				if _, err := a.CheckKey(childText); err != nil {
					t.Errorf("%s: the key that it made: %v", when, err)
				}
			}
			check("at once")
			for name, g := range held {
				if want := name == "made by another" || name == "labelled"; (a.Valid(g) == nil) != want || match(g) == want {
					t.Errorf("%s: its sessions are valid: %v, matched: %v", name, a.Valid(g), match(g))
				}
			}
			time.Sleep(time.Hour - time.Second)
			mint(t, a) // this removes expired tokens
			check("after until")
			a = reopen(t, a)
			check("after a restart")
		})
	}
}
