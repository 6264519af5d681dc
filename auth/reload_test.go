package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// TestSharedCompaction: an authority that opens a compacted store has the same tokens, keys, revocations and
// serial number as one that has read every line.
func TestSharedCompaction(t *testing.T) {
	inPair(t, func(t *testing.T, a, b *node) {
		_, key := createKey(t, a.Authority, Key{Name: "k", Verbs: KeyTokens})
		for i := range 5 {
			_, made := create(t, a.Authority, Token{User: fmt.Sprint("u", i), Key: key.ID})
			if i%2 == 1 {
				revoke(t, b.Authority, Revocation{Token: made.ID})
			}
		}
		mint(t, b.Authority)
		revoke(t, a.Authority, Revocation{User: "u0"})
		_, last := create(t, a.Authority, Token{User: "newest"})
		revoke(t, a.Authority, Revocation{Token: last.ID})
		synctest.Wait()
		b.compact(t)
		if n := len(b.store.log.replaced); n != 7 {
			t.Errorf("the store has %d lines", n)
		}
		c := newNode(t, a.store.log, Options{})
		if a.serial() != c.serial() {
			t.Errorf("serial numbers %d, %d", a.serial(), c.serial())
		}
	})
}

// TestReload: an authority that is behind when the store is compacted has all changes afterwards, and
// so have its sessions. Everything that it does not store stays as it was.
func TestReload(t *testing.T) {
	inPair(t, func(t *testing.T, a, b *node) {
		keptText, _ := create(t, a.Authority, Token{User: "kept", Rules: rules(t, `[{"channels":["x"],"allow":["join"]}]`)})
		changedText, changed := create(t, a.Authority, Token{User: "changed"})
		deletedText, deleted := create(t, a.Authority, Token{User: "deleted"})
		revokedText, _ := create(t, a.Authority, Token{User: "revoked"})
		pendingText, pending := create(t, a.Authority, Token{User: "pending"})
		classic := mint(t, b.Authority)
		_, key := createKey(t, a.Authority, Key{Name: "k", Verbs: KeyStats})
		if err := b.Add("provided"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, text := range []string{keptText, changedText, deletedText, revokedText, classic, "provided"} {
			b.sessions = append(b.sessions, grant(t, b.Authority, text))
		}
		kept := b.sessions[0]

		b.store.goDown(errors.New("no quorum"))
		for _, r := range []Revocation{{Token: pending.ID}, {User: "nobody"}, {Key: key.ID}} {
			if _, err := b.Revoke(r); fault.Of(err) != fault.NotStored {
				t.Fatal(err)
			}
		}
		newRules := rules(t, `[{"channels":["y"],"allow":["join"]}]`)
		if _, _, err := a.UpdateToken(changed.ID, TokenChange{Rules: &newRules}); err != nil {
			t.Fatal(err)
		}
		revoke(t, a.Authority, Revocation{Token: deleted.ID})
		revoke(t, a.Authority, Revocation{User: "revoked"})
		newText, _ := create(t, a.Authority, Token{User: "new"})
		a.compact(t)
		b.took()
		b.store.goDown(nil)
		time.Sleep(2 * followAgain)

		got := b.took()
		slices.Sort(got)
		want := []string{`changed is regranted [{"channels":["y"],"allow":["join"]}]`, "deleted is cut, with a grace of 0s", "revoked is cut, with a grace of 0s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sessions (-want +got):\n%s", diff)
		}
		if err := b.Valid(kept); err != nil {
			t.Errorf("a grant that has not changed: %v", err)
		}
		verdicts := make(map[string]string)
		for name, text := range map[string]string{
			"kept": keptText, "changed": changedText, "deleted": deletedText, "revoked": revokedText,
			"pending": pendingText, "classic": classic, "provided": "provided", "new": newText,
		} {
			verdicts[name] = verdict(b.Authority, text)
		}
		if diff := cmp.Diff(map[string]string{
			"kept": "valid", "changed": "valid", "deleted": "invalid_token", "revoked": "token_revoked",
			"pending": "token_revoked", "classic": "valid", "provided": "valid", "new": "valid",
		}, verdicts); diff != "" {
			t.Errorf("verdicts (-want +got):\n%s", diff)
		}
		if _, ok := b.Revoked(Revocation{User: "nobody"}); !ok || b.ValidKey(key.ID) == nil {
			t.Error("a revocation that is not stored is lost")
		}
		time.Sleep(2 * unstoredAgain)
		if err := b.Ready(); err != nil {
			t.Error(err)
		}
		if err := b.Valid(kept); err != nil {
			t.Errorf("a grant that has not changed, later: %v", err)
		}
		revoke(t, b.Authority, Revocation{Token: "provided"})
	})
}

// TestReloadFromAnotherStore: an authority does not accept a store in which nothing is as it was.
func TestReloadFromAnotherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{added: make(chan struct{})}
		n := newNode(t, log, Options{})
		text := mint(t, n.Authority)
		other := newNode(t, &sharedLog{added: make(chan struct{})}, Options{})
		log.mu.Lock()
		log.through, log.replaced, log.lines = 1000*positionStep, other.store.log.lines, nil
		close(log.added)
		log.added = make(chan struct{})
		log.mu.Unlock()
		synctest.Wait()
		if _, err := n.Mint(""); fault.Of(err) != fault.NotStored {
			t.Errorf("mint: %v", err)
		}
		if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "replaced by another one") {
			t.Errorf("ready: %v", err)
		}
		if got := verdict(n.Authority, text); got != "valid" {
			t.Errorf("the old token: %s", got)
		}
	})
}

// TestCutOff: an authority whose store is cut off refuses tokens and keys for the moment. The
// sessions that it has stay.
func TestCutOff(t *testing.T) {
	inPair(t, func(t *testing.T, a, _ *node) {
		text := mint(t, a.Authority)
		key, _ := createKey(t, a.Authority, Key{Name: "k", Verbs: KeyStats})
		g := grant(t, a.Authority, text)
		synctest.Wait() // the first use of a key is not stored while its authority reads lines
		set := func(err error) {
			a.store.log.mu.Lock()
			defer a.store.log.mu.Unlock()
			a.store.cutOff = err
		}
		check := func() []string {
			_, err := a.CheckKey(key)
			return []string{verdict(a.Authority, text), code(err), code(a.Valid(g))}
		}
		set(errors.New("no quorum"))
		if diff := cmp.Diff([]string{"auth_unavailable", "auth_unavailable", "valid"}, check()); diff != "" {
			t.Error(diff)
		}
		if _, err := a.Check(access.Credentials{Token: text}); !strings.Contains(fault.Message(err), "cannot reach the store") {
			t.Error(err)
		}
		set(nil)
		if diff := cmp.Diff([]string{"valid", "valid", "valid"}, check()); diff != "" {
			t.Error(diff)
		}
	})
}
