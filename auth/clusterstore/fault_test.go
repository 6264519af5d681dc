package clusterstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// TestLeaderIsKilled: two authorities make changes while the leader of the stream stops. Nothing that
// was acknowledged is lost, nothing is there twice, and each authority has all of it.
func TestLeaderIsKilled(t *testing.T) {
	servers := natstest.StartCluster(t, 3)
	var all []*auth.Authority
	for i := range 2 {
		all = append(all, openAuthority(t, options(fmt.Sprintf("n%d", i), servers...)))
	}
	var leader *server.Server
	eventually(t, "the stream has a leader", func() bool {
		for _, s := range servers {
			if s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, "BOREAS_AUTH") {
				leader = s
			}
		}
		return leader != nil
	})
	valid := make(map[string]bool) // by the text of a token
	made := 0
	var mu sync.Mutex
	var group sync.WaitGroup
	half := make(chan struct{})
	for _, a := range all {
		group.Go(func() {
			for n := range 60 {
				if n == 30 {
					half <- struct{}{} // the leader stops while changes are being made
				}
				text, token, err := a.CreateToken(auth.Token{User: "u", Label: fmt.Sprint(n)})
				if err != nil {
					continue // whether it is kept is not known, and nobody knows the token
				}
				_, revokeErr := a.Revoke(auth.Revocation{Token: token.ID})
				if n%2 == 0 {
					text, _, err = a.CreateToken(auth.Token{User: "u", Label: fmt.Sprint(n)})
					revokeErr = err
				}
				mu.Lock()
				made++
				if revokeErr == nil {
					valid[text] = n%2 == 0
				}
				mu.Unlock()
			}
		})
	}
	group.Go(func() {
		<-half
		natstest.Stop(leader)
		<-half
	})
	group.Wait()
	if made < 60 {
		t.Errorf("only %d of 120 changes succeeded", made)
	}
	all = append(all, openAuthority(t, options("late", servers...)))
	for _, a := range all {
		for _, other := range all {
			if _, err := a.ApplyUpTo(t.Context(), other.Position(), ""); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the node is ready", func() bool { return a.Ready() == nil }) // an election may have taken long
		got := make(map[string]bool)
		for text := range valid {
			got[text] = verdict(a, text) == "valid"
		}
		if diff := cmp.Diff(valid, got); diff != "" {
			t.Errorf("validity of tokens (-want +got):\n%s", diff)
		}
	}
}

// TestNoQuorum: an authority whose servers have no majority refuses tokens and keys after some time, and
// keeps the sessions that it has.
func TestNoQuorum(t *testing.T) {
	servers := natstest.StartCluster(t, 3)
	o := options("n1", servers...)
	o.Servers.URLs = natstest.URLs(servers[0])
	a := openAuthority(t, o)
	text, _, err := a.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := a.CreateKey(auth.Key{Name: "k", Verbs: auth.KeyStats})
	if err != nil {
		t.Fatal(err)
	}
	g, err := a.Check(access.Credentials{Token: text})
	if err != nil {
		t.Fatal(err)
	}
	natstest.Stop(servers[1])
	natstest.Stop(servers[2])
	eventually(t, "the node is not ready", func() bool { return errors.Is(a.Ready(), clusterstore.ErrCutOff) })
	eventually(t, "tokens are refused", func() bool { return verdict(a, text) == "auth_unavailable" })
	if _, err := a.CheckKey(key); fault.Of(err) != fault.AuthUnavailable {
		t.Errorf("the key: %v", err)
	}
	if err := a.Valid(g); err != nil {
		t.Errorf("the session: %v", err)
	}
}

// TestStreamIsDeleted: an authority does not go on with an empty stream, which would make revoked tokens
// valid again.
func TestStreamIsDeleted(t *testing.T) {
	s := natstest.Start(t)
	store := openStore(t, options("n1", s))
	a, err := auth.Open(auth.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err == nil || !strings.Contains(err.Error(), "1 revocations are not stored") {
			t.Errorf("close: %v", err)
		}
	}()
	text, _, err := a.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	deleteStream(t, store)
	if _, err := a.Mint(""); fault.Of(err) != fault.NotStored {
		t.Errorf("a change: %v", err)
	}
	eventually(t, "the node says that the stream is gone", func() bool {
		err := a.Ready()
		return err != nil && strings.Contains(err.Error(), "does not exist any more: restore it")
	})
	late := openAuthority(t, options("n2", s)) // it makes the stream again
	if _, _, err := late.CreateToken(auth.Token{User: "eve"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node says that the stream was replaced", func() bool { return errors.Is(a.Ready(), clusterstore.ErrReplaced) })
	if got := verdict(a, text); got != "auth_unavailable" {
		t.Errorf("the token: %s", got)
	}
	if _, err := a.Revoke(auth.Revocation{User: "ann"}); fault.Of(err) != fault.NotStored {
		t.Errorf("a revocation: %v", err)
	}
	if _, err := a.Mint(""); fault.Of(err) != fault.NotStored {
		t.Errorf("a change: %v", err)
	}
}

// TestServerIsLost: a store whose server stops reads changes from another one.
func TestServerIsLost(t *testing.T) {
	servers := natstest.StartCluster(t, 3)
	a := openAuthority(t, options("n1", servers[0], servers[1], servers[2]))
	o := options("n2", servers...)
	b := openAuthority(t, o)
	natstest.Stop(servers[2])
	text, _, err := a.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node has the token", func() bool { return verdict(b, text) == "valid" })
}
