package auth

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// This file is about several authorities on one store.

// inPair runs a test with two authorities on one store.
func inPair(t *testing.T, test func(t *testing.T, a, b *node)) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{added: make(chan struct{})}
		a, b := newNode(t, log, Options{MaxKeys: 10}), newNode(t, log, Options{MaxKeys: 10})
		test(t, a, b)
		synctest.Wait()
		if diff := cmp.Diff(sortMarks(snapshot(t, a.Authority)), sortMarks(snapshot(t, b.Authority))); diff != "" {
			t.Errorf("the authorities differ (-a +b):\n%s", diff)
		}
		c := newNode(t, log, Options{})
		if diff := cmp.Diff(sortMarks(snapshot(t, a.Authority)), sortMarks(snapshot(t, c.Authority))); diff != "" {
			t.Errorf("an authority that opens later differs (-a +c):\n%s", diff)
		}
		for _, l := range log.lines {
			if bytes.ContainsAny(l, "\n") {
				t.Errorf("a line has a line break: %q", l)
			}
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
