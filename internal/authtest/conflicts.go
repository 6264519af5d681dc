package authtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// If two authorities make a change at the same time, the second change is decided as if the first
// one had been made before. The second change is that of a.
func conflicts(t *testing.T, run Run) {
	label := "changed"
	hour := func() *time.Time { at := time.Now().Add(time.Hour).UTC().Round(0); return &at }
	for name, test := range map[string]func(t *testing.T, a, b *node){
		"keys of one name": func(t *testing.T, a, b *node) {
			createKey(t, a.Authority, auth.Key{Name: "k", Verbs: auth.KeyStats})
			a.store.before = func() { createKey(t, b.Authority, auth.Key{Name: "k", Verbs: auth.KeyStats}) }
			if _, _, err := a.CreateKey(auth.Key{Name: "k", Verbs: auth.KeyStats}); !errors.Is(err, fault.Malformed) {
				t.Errorf("a third key of one name: %v", err)
			}
		},
		"the last room for keys": func(t *testing.T, a, b *node) {
			for i := range 9 {
				createKey(t, a.Authority, auth.Key{Name: fmt.Sprint(i), Verbs: auth.KeyStats})
			}
			a.store.before = func() { createKey(t, b.Authority, auth.Key{Name: "x", Verbs: auth.KeyStats}) }
			if _, _, err := a.CreateKey(auth.Key{Name: "y", Verbs: auth.KeyStats}); !errors.Is(err, fault.TooManyStored) {
				t.Errorf("a key over the limit: %v", err)
			}
		},
		"a change after a deletion": func(t *testing.T, a, b *node) {
			text, made := create(t, a.Authority, auth.Token{User: "u"})
			a.store.before = func() { revoke(t, b.Authority, auth.Revocation{Token: made.ID}) }
			if _, _, err := a.UpdateToken(made.ID, auth.TokenChange{Label: &label}); !errors.Is(err, fault.NoToken) {
				t.Errorf("a change of a deleted token: %v", err)
			}
			if got := verdict(a.Authority, text); got == "valid" {
				t.Error("a deleted token is valid")
			}
		},
		"a deletion after a change": func(t *testing.T, a, b *node) {
			text, made := create(t, a.Authority, auth.Token{User: "u"})
			a.store.before = func() {
				if _, _, err := b.UpdateToken(made.ID, auth.TokenChange{Label: &label}); err != nil {
					t.Error(err)
				}
			}
			revoke(t, a.Authority, auth.Revocation{Token: made.ID})
			if got := verdict(b.Authority, text); got != "valid" {
				t.Logf("b has seen it already: %s", got)
			}
			a.settle(t)
			if got := verdict(b.Authority, text); got == "valid" {
				t.Error("a deleted token is valid")
			}
		},
		"two changes": func(t *testing.T, a, b *node) {
			_, made := create(t, a.Authority, auth.Token{User: "u"})
			expires := hour()
			a.store.before = func() {
				if _, _, err := b.UpdateToken(made.ID, auth.TokenChange{Expires: expires}); err != nil {
					t.Error(err)
				}
			}
			got, _, err := a.UpdateToken(made.ID, auth.TokenChange{Label: &label})
			if err != nil || got.Label != label || !got.Expires.Equal(*expires) {
				t.Errorf("got %+v, %v, want both changes", got, err)
			}
		},
		"a token by a revoked key": func(t *testing.T, a, b *node) {
			_, key := createKey(t, a.Authority, auth.Key{Name: "k", Verbs: auth.KeyTokens})
			a.store.before = func() { revoke(t, b.Authority, auth.Revocation{Key: key.ID}) }
			if _, _, err := a.CreateToken(auth.Token{User: "u", Key: key.ID}); !errors.Is(err, fault.InvalidKey) {
				t.Errorf("a token by a revoked key: %v", err)
			}
		},
		"a key is revoked after its token": func(t *testing.T, a, b *node) {
			_, key := createKey(t, a.Authority, auth.Key{Name: "k", Verbs: auth.KeyTokens})
			var text string
			a.store.before = func() { text, _ = create(t, b.Authority, auth.Token{User: "u", Key: key.ID}) }
			match := revoke(t, a.Authority, auth.Revocation{Key: key.ID})
			if got := verdict(b.Authority, text); got == "valid" {
				a.settle(t)
			}
			if got := verdict(b.Authority, text); got == "valid" {
				t.Error("the token of a revoked key is valid")
			}
			if !match(&access.Grant{Key: key.ID}) {
				t.Error("the revocation does not match its tokens")
			}
		},
		"a token is changed with a key while that is revoked": func(t *testing.T, a, b *node) {
			_, key := createKey(t, a.Authority, auth.Key{Name: "k", Verbs: auth.KeyTokens})
			text, made := create(t, a.Authority, auth.Token{User: "u"})
			a.store.before = func() {
				if _, _, err := b.UpdateToken(made.ID, auth.TokenChange{Expires: hour(), Key: key.ID}); err != nil {
					t.Error(err)
				}
			}
			revoke(t, a.Authority, auth.Revocation{Key: key.ID})
			if got := verdict(a.Authority, text); got == "valid" {
				t.Error("a token that a revoked key has changed is valid")
			}
		},
		"two revocations of a user": func(t *testing.T, a, b *node) {
			text, _ := create(t, a.Authority, auth.Token{User: "u"})
			a.store.before = func() { revoke(t, b.Authority, auth.Revocation{User: "u", Until: *hour()}) }
			revoke(t, a.Authority, auth.Revocation{User: "u"})
			if r, ok := a.Revoked(auth.Revocation{User: "u"}); !ok || !r.Until.IsZero() {
				t.Errorf("got %+v, %v, want the longer one", r, ok)
			}
			if got := verdict(a.Authority, text); got == "valid" {
				t.Error("the token is valid")
			}
		},
	} {
		t.Run(name, func(t *testing.T) { inPair(t, run, test) })
	}
}

// conflictsReachSessions: an authority that makes a change may first read changes of the other
// authority. Their effects reach the sessions.
func conflictsReachSessions(t *testing.T, run Run) {
	inPair(t, run, func(t *testing.T, a, b *node) {
		text, made := create(t, a.Authority, auth.Token{User: "u"})
		a.hold(grant(t, a.Authority, text))
		a.store.before = func() { revoke(t, b.Authority, auth.Revocation{Token: made.ID}) }
		mint(t, a.Authority)
		if diff := cmp.Diff([]string{"u is cut, with a grace of 0s"}, a.took(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// manyConflicts lets both authorities make many changes at once.
func manyConflicts(t *testing.T, run Run) {
	inPair(t, run, func(t *testing.T, a, b *node) {
		_, made := create(t, a.Authority, auth.Token{User: "shared"})
		var all sync.WaitGroup
		var mu sync.Mutex
		var texts []string
		for _, n := range []*node{a, b} {
			for i := range 8 {
				all.Go(func() {
					for j := range 20 {
						label := fmt.Sprint(i, j)
						text, token, err := n.CreateToken(auth.Token{User: "u"})
						if err != nil || verdict(n.Authority, text) != "valid" {
							t.Errorf("create: %v", err)
						}
						mu.Lock()
						texts = append(texts, text)
						mu.Unlock()
						if _, _, err := n.UpdateToken(made.ID, auth.TokenChange{Label: &label}); err != nil {
							t.Errorf("update: %v", err)
						}
						if j%2 == 0 {
							revoke(t, n.Authority, auth.Revocation{Token: token.ID})
						}
					}
				})
			}
		}
		all.Wait()
		a.settle(t)
		serials := make(map[uint64]bool)
		for _, text := range texts {
			if verdict(b.Authority, text) != "valid" {
				continue
			}
			serial := grant(t, b.Authority, text).Serial
			if serials[serial] {
				t.Errorf("two tokens have the serial %d", serial)
			}
			serials[serial] = true
		}
		if len(serials) != 2*8*10 {
			t.Errorf("%d tokens are left", len(serials))
		}
	})
}
