package auth

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// TestTokenOfAnother: an authority that has not heard of a token or key yet reads the store before it
// refuses it. Changes that it has not heard of are in force then, too.
func TestTokenOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &sharedLog{added: make(chan struct{})}
		a, b := newNode(t, log, Options{}), newNode(t, log, Options{})
		b.store.deafen()
		time.Sleep(time.Second)

		old, made := create(t, a.Authority, Token{User: "u"})
		var got []string
		got = append(got, verdict(b.Authority, old), verdict(b.Authority, mint(t, a.Authority)))
		b.sessions = append(b.sessions, grant(t, b.Authority, old))
		key, _ := createKey(t, a.Authority, Key{Name: "k", Verbs: KeyAdmin})
		_, err := b.CheckKey(key)
		got = append(got, code(err))
		revoke(t, a.Authority, Revocation{Token: made.ID})
		got = append(got, verdict(b.Authority, newSecret(tokenPrefix)))
		got = append(got, b.took()...)
		_, err = b.CheckKey(newSecret(keyPrefix))
		got = append(got, code(err), verdict(b.Authority, "something else"))

		b.store.goDown(errors.New("no leader"))
		_, err = b.CheckKey(newSecret(keyPrefix))
		got = append(got, code(err), verdict(b.Authority, newSecret(tokenPrefix)), verdict(b.Authority, "something else"))
		b.store.goDown(nil)
		want := []string{
			"valid", "valid", "valid",
			fault.InvalidToken.Code, "u is cut, with a grace of 0s",
			fault.InvalidKey.Code, fault.InvalidToken.Code,
			fault.AuthUnavailable.Code, fault.AuthUnavailable.Code, fault.InvalidToken.Code,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestUnknownTokensShareReads: many clients with invented tokens cost few reads of the store.
func TestUnknownTokensShareReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, &sharedLog{added: make(chan struct{})}, Options{})
		time.Sleep(time.Second)
		before := n.store.replayed()
		verdicts := make(chan string)
		const clients = 100
		for range clients {
			go func() { verdicts <- verdict(n.Authority, newSecret(tokenPrefix)) }()
		}
		for range clients {
			if got := <-verdicts; got != fault.InvalidToken.Code {
				t.Errorf("got %s", got)
			}
		}
		if reads := n.store.replayed() - before; reads > 2 {
			t.Errorf("%d clients at once cost %d reads", clients, reads)
		}
		before = n.store.replayed()
		began := time.Now()
		for range clients {
			verdict(n.Authority, newSecret(tokenPrefix))
		}
		if most := int(time.Since(began)/unreadInterval) + 1; n.store.replayed()-before > most {
			t.Errorf("%d reads in %v", n.store.replayed()-before, time.Since(began))
		}
	})
}
