package auth

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/fault"
)

// This file is about several authorities on one store.

// inPair runs a test with two authorities on one store.
func inPair(t *testing.T, test func(t *testing.T, a, b *node)) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{added: make(chan struct{})}
		a, b := newNode(t, log, Options{MaxKeys: 10}), newNode(t, log, Options{MaxKeys: 10})
		test(t, a, b)
		synctest.Wait()
		if diff := cmp.Diff(snapshot(t, a.Authority), snapshot(t, b.Authority)); diff != "" {
			t.Errorf("the authorities differ (-a +b):\n%s", diff)
		}
		c := newNode(t, log, Options{})
		if diff := cmp.Diff(snapshot(t, a.Authority), snapshot(t, c.Authority)); diff != "" {
			t.Errorf("an authority that opens later differs (-a +c):\n%s", diff)
		}
		for _, l := range log.lines {
			if bytes.ContainsAny(l, "\n") {
				t.Errorf("a line has a line break: %q", l)
			}
		}
	})
}

// Each authority has the tokens, keys and revocations of the other.
func TestShared(t *testing.T) {
	inPair(t, func(t *testing.T, a, b *node) {
		text, made := create(t, a.Authority, Token{User: "ann", Rules: rules(t, `[{"channels":["x"],"allow":["join"]}]`)})
		classic := mint(t, b.Authority)
		keyText, key := createKey(t, a.Authority, Key{Name: "shop", Verbs: KeyTokens})
		synctest.Wait()

		g := grant(t, b.Authority, text)
		unnamed := [2]string{grant(t, a.Authority, classic).User, grant(t, b.Authority, classic).User}
		if g.User != "ann" || unnamed[0] != unnamed[1] {
			t.Errorf("users %s, %s", g.User, unnamed)
		}
		if k, err := b.CheckKey(keyText); err != nil || k.ID != key.ID {
			t.Errorf("got %v, %v", k, err)
		}

		b.sessions = []*access.Grant{g, grant(t, b.Authority, classic)}
		newRules := rules(t, `[{"channels":["y"],"allow":["join"]}]`)
		if _, _, err := a.UpdateToken(made.ID, TokenChange{Rules: &newRules}); err != nil {
			t.Fatal(err)
		}
		want := []string{`ann is regranted [{"channels":["y"],"allow":["join"]}]`}
		if diff := cmp.Diff(want, b.took()); diff != "" {
			t.Errorf("after an update (-want +got):\n%s", diff)
		}
		if err := b.Valid(g); !errors.Is(err, boreas.ErrRulesChanged) {
			t.Errorf("the old grant: %v", err)
		}

		revoke(t, a.Authority, Revocation{User: "ann"})
		revoke(t, a.Authority, Revocation{Token: classic})
		slices.Sort(unnamed[:])
		want = []string{"ann is cut, with a grace of 0s", unnamed[0] + " is cut, with a grace of 0s"}
		if diff := cmp.Diff(want, b.took()); diff != "" {
			t.Errorf("after revocations (-want +got):\n%s", diff)
		}
		for name, got := range map[string]string{"ann": verdict(b.Authority, text), "classic": verdict(b.Authority, classic)} {
			if got == "valid" {
				t.Errorf("the token of %s is valid", name)
			}
		}
		revoke(t, b.Authority, Revocation{Key: key.ID})
		synctest.Wait()
		if _, err := a.CheckKey(keyText); !errors.Is(err, fault.InvalidKey) {
			t.Errorf("a revoked key: %v", err)
		}
		if ok, err := b.Unrevoke(Revocation{User: "ann"}); err != nil || !ok {
			t.Errorf("unrevoke: %v, %v", ok, err)
		}
		synctest.Wait()
		if got := verdict(a.Authority, text); got != "valid" {
			t.Errorf("a token that is valid again: %s", got)
		}
		if got := a.took(); len(got) > 0 { // it has no sessions, and its caller handles its own changes
			t.Errorf("sessions of the first authority: %v", got)
		}
	})
}

// TestSharedRevocations: each kind of revocation is in force at the other authority, and revokes
// the tokens that were created there before.
func TestSharedRevocations(t *testing.T) {
	for name, r := range map[string]func(token, key string) Revocation{
		"token":   func(token, _ string) Revocation { return Revocation{Token: token} },
		"user":    func(string, string) Revocation { return Revocation{User: "u"} },
		"key":     func(_, key string) Revocation { return Revocation{Key: key} },
		"all":     func(string, string) Revocation { return Revocation{IssuedBefore: time.Now()} },
		"changed": func(_, key string) Revocation { return Revocation{Key: key} },
	} {
		t.Run(name, func(t *testing.T) {
			inPair(t, func(t *testing.T, a, b *node) {
				_, key := createKey(t, a.Authority, Key{Name: "k", Verbs: KeyTokens})
				maker := key.ID
				if name == "changed" {
					maker = ""
				}
				text, made := create(t, b.Authority, Token{User: "u", Key: maker})
				if name == "changed" {
					at := time.Now().Add(time.Hour)
					if _, _, err := b.UpdateToken(made.ID, TokenChange{Expires: &at, Key: key.ID}); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				b.sessions = []*access.Grant{grant(t, b.Authority, text)}
				revoke(t, a.Authority, r(made.ID, key.ID))
				if diff := cmp.Diff([]string{"u is cut, with a grace of 0s"}, b.took()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if got := verdict(b.Authority, text); got == "valid" {
					t.Error("the token is valid")
				}
			})
		})
	}
}

// If two authorities make a change at the same time, the second change is decided as if the first
// one had been made before. The second change is that of a.
func TestConflicts(t *testing.T) {
	label := "changed"
	hour := func() *time.Time { at := time.Now().Add(time.Hour).UTC().Round(0); return &at }
	for name, test := range map[string]func(t *testing.T, a, b *node){
		"keys of one name": func(t *testing.T, a, b *node) {
			createKey(t, a.Authority, Key{Name: "k", Verbs: KeyStats})
			a.store.before = func() { createKey(t, b.Authority, Key{Name: "k", Verbs: KeyStats}) }
			if _, _, err := a.CreateKey(Key{Name: "k", Verbs: KeyStats}); !errors.Is(err, fault.Malformed) {
				t.Errorf("a third key of one name: %v", err)
			}
		},
		"the last room for keys": func(t *testing.T, a, b *node) {
			for i := range 9 {
				createKey(t, a.Authority, Key{Name: fmt.Sprint(i), Verbs: KeyStats})
			}
			a.store.before = func() { createKey(t, b.Authority, Key{Name: "x", Verbs: KeyStats}) }
			if _, _, err := a.CreateKey(Key{Name: "y", Verbs: KeyStats}); !errors.Is(err, fault.TooManyStored) {
				t.Errorf("a key over the limit: %v", err)
			}
		},
		"a change after a deletion": func(t *testing.T, a, b *node) {
			text, made := create(t, a.Authority, Token{User: "u"})
			a.store.before = func() { revoke(t, b.Authority, Revocation{Token: made.ID}) }
			if _, _, err := a.UpdateToken(made.ID, TokenChange{Label: &label}); !errors.Is(err, fault.NoToken) {
				t.Errorf("a change of a deleted token: %v", err)
			}
			if got := verdict(a.Authority, text); got == "valid" {
				t.Error("a deleted token is valid")
			}
		},
		"a deletion after a change": func(t *testing.T, a, b *node) {
			text, made := create(t, a.Authority, Token{User: "u"})
			a.store.before = func() {
				if _, _, err := b.UpdateToken(made.ID, TokenChange{Label: &label}); err != nil {
					t.Error(err)
				}
			}
			revoke(t, a.Authority, Revocation{Token: made.ID})
			if got := verdict(b.Authority, text); got != "valid" {
				t.Logf("b has seen it already: %s", got)
			}
			synctest.Wait()
			if got := verdict(b.Authority, text); got == "valid" {
				t.Error("a deleted token is valid")
			}
		},
		"two changes": func(t *testing.T, a, b *node) {
			_, made := create(t, a.Authority, Token{User: "u"})
			expires := hour()
			a.store.before = func() {
				if _, _, err := b.UpdateToken(made.ID, TokenChange{Expires: expires}); err != nil {
					t.Error(err)
				}
			}
			got, _, err := a.UpdateToken(made.ID, TokenChange{Label: &label})
			if err != nil || got.Label != label || !got.Expires.Equal(*expires) {
				t.Errorf("got %+v, %v, want both changes", got, err)
			}
		},
		"a token by a revoked key": func(t *testing.T, a, b *node) {
			_, key := createKey(t, a.Authority, Key{Name: "k", Verbs: KeyTokens})
			a.store.before = func() { revoke(t, b.Authority, Revocation{Key: key.ID}) }
			if _, _, err := a.CreateToken(Token{User: "u", Key: key.ID}); !errors.Is(err, fault.InvalidKey) {
				t.Errorf("a token by a revoked key: %v", err)
			}
		},
		"a key is revoked after its token": func(t *testing.T, a, b *node) {
			_, key := createKey(t, a.Authority, Key{Name: "k", Verbs: KeyTokens})
			var text string
			a.store.before = func() { text, _ = create(t, b.Authority, Token{User: "u", Key: key.ID}) }
			match := revoke(t, a.Authority, Revocation{Key: key.ID})
			if got := verdict(b.Authority, text); got == "valid" {
				synctest.Wait()
			}
			if got := verdict(b.Authority, text); got == "valid" {
				t.Error("the token of a revoked key is valid")
			}
			if !match(&access.Grant{Key: key.ID}) {
				t.Error("the revocation does not match its tokens")
			}
		},
		"a token is changed with a key while that is revoked": func(t *testing.T, a, b *node) {
			_, key := createKey(t, a.Authority, Key{Name: "k", Verbs: KeyTokens})
			text, made := create(t, a.Authority, Token{User: "u"})
			a.store.before = func() {
				if _, _, err := b.UpdateToken(made.ID, TokenChange{Expires: hour(), Key: key.ID}); err != nil {
					t.Error(err)
				}
			}
			revoke(t, a.Authority, Revocation{Key: key.ID})
			if got := verdict(a.Authority, text); got == "valid" {
				t.Error("a token that a revoked key has changed is valid")
			}
		},
		"two revocations of a user": func(t *testing.T, a, b *node) {
			text, _ := create(t, a.Authority, Token{User: "u"})
			a.store.before = func() { revoke(t, b.Authority, Revocation{User: "u", Until: *hour()}) }
			revoke(t, a.Authority, Revocation{User: "u"})
			if r, ok := a.Revoked(Revocation{User: "u"}); !ok || !r.Until.IsZero() {
				t.Errorf("got %+v, %v, want the longer one", r, ok)
			}
			if got := verdict(a.Authority, text); got == "valid" {
				t.Error("the token is valid")
			}
		},
	} {
		t.Run(name, func(t *testing.T) { inPair(t, test) })
	}
}

// TestConflictsReachSessions: an authority that makes a change may first read changes of the other
// authority. Their effects reach the sessions.
func TestConflictsReachSessions(t *testing.T) {
	inPair(t, func(t *testing.T, a, b *node) {
		text, made := create(t, a.Authority, Token{User: "u"})
		a.sessions = []*access.Grant{grant(t, a.Authority, text)}
		a.store.before = func() { revoke(t, b.Authority, Revocation{Token: made.ID}) }
		mint(t, a.Authority)
		if diff := cmp.Diff([]string{"u is cut, with a grace of 0s"}, a.took()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestManyConflicts lets both authorities make many changes at once.
func TestManyConflicts(t *testing.T) {
	inPair(t, func(t *testing.T, a, b *node) {
		_, made := create(t, a.Authority, Token{User: "shared"})
		var all sync.WaitGroup
		for _, n := range []*node{a, b} {
			for i := range 8 {
				all.Go(func() {
					for j := range 20 {
						label := fmt.Sprint(i, j)
						text, token, err := n.CreateToken(Token{User: "u"})
						if err != nil || verdict(n.Authority, text) != "valid" {
							t.Errorf("create: %v", err)
						}
						if _, _, err := n.UpdateToken(made.ID, TokenChange{Label: &label}); err != nil {
							t.Errorf("update: %v", err)
						}
						if j%2 == 0 {
							revoke(t, n.Authority, Revocation{Token: token.ID})
						}
					}
				})
			}
		}
		all.Wait()
		synctest.Wait()
		serials := make(map[uint64]bool)
		for _, token := range b.state.byHash {
			if serials[token.serial] {
				t.Errorf("two tokens have the serial %d", token.serial)
			}
			serials[token.serial] = true
		}
		if len(serials) != 1+2*8*10 {
			t.Errorf("%d tokens are left", len(serials))
		}
	})
}

// TestSharedStoreFails: the store keeps lines although it returned an error. They take effect when
// they are read, and a revocation is in force meanwhile.
func TestSharedStoreFails(t *testing.T) {
	inPair(t, func(t *testing.T, a, b *node) {
		text, made := create(t, a.Authority, Token{User: "u"})
		lost := func() error { return errors.New("the connection broke") }
		label := "x"
		a.store.fail = lost
		if _, _, err := a.UpdateToken(made.ID, TokenChange{Label: &label}); !errors.Is(err, fault.NotStored) || !strings.Contains(err.Error(), "the store of tokens") {
			t.Errorf("got %v", err)
		}
		a.store.fail = lost
		if match, err := a.Revoke(Revocation{User: "u"}); match == nil || !errors.Is(err, fault.NotStored) {
			t.Errorf("got %v", err)
		}
		if got := verdict(a.Authority, text); got == "valid" {
			t.Error("the revocation is not in force")
		}
		if a.Ready() == nil {
			t.Error("ready while a revocation is not known to be stored")
		}
		time.Sleep(2 * unstoredAgain)
		if err := a.Ready(); err != nil {
			t.Error(err)
		}
		if got, err := b.Token(made.ID); err == nil || verdict(b.Authority, text) == "valid" {
			t.Errorf("at the other authority: %+v, %v", got, err)
		}
	})
	inPair(t, func(t *testing.T, a, _ *node) {
		text := mint(t, a.Authority)
		a.store.goDown(errors.New("no quorum"))
		if _, err := a.Mint(""); !errors.Is(err, fault.NotStored) {
			t.Errorf("mint: %v", err)
		}
		if match, err := a.Revoke(Revocation{Token: text}); match == nil || !errors.Is(err, fault.NotStored) {
			t.Errorf("revoke: %v", err)
		}
		if got := verdict(a.Authority, text); got == "valid" {
			t.Error("the revocation is not in force")
		}
		time.Sleep(10 * unstoredAgain)
		a.store.goDown(nil)
		time.Sleep(2 * unstoredAgain)
		if err := a.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// TestUnreadableChange: an authority does not go on past a line that it cannot read, which could be
// a revocation.
func TestUnreadableChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{added: make(chan struct{})}
		n := newNode(t, log, Options{})
		text, made := create(t, n.Authority, Token{User: "u"})
		n.sessions = []*access.Grant{grant(t, n.Authority, text)}
		log.mu.Lock()
		log.add([][]byte{[]byte(`{"op":"delete","id":"` + made.ID + `"}`), []byte(`{"op":"dance"}`)})
		log.mu.Unlock()
		if diff := cmp.Diff([]string{"u is cut, with a grace of 0s"}, n.took()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "dance") {
			t.Errorf("ready: %v", err)
		}
		if _, err := n.Mint(""); fault.Of(err) != fault.NotStored {
			t.Errorf("mint: %v", err)
		}
		if _, err := Open(Options{Store: &sharedStore{log: log}}); err == nil {
			t.Error("the store can be opened")
		}
	})
}
