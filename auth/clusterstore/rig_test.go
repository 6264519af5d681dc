package clusterstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

func TestMain(m *testing.M) {
	natstest.RunProcess()
	goleak.VerifyTestMain(m, natstest.Goroutines()...)
}

// waitFor is how long a test waits for an event. Other tests run beside.
const waitFor = time.Minute

// options returns the options of a node on servers. Its connection goes to any of them.
func options(node string, servers ...*server.Server) clusterstore.Options {
	o := clusterstore.Options{Servers: natsconn.Options{URLs: natstest.URLs(servers...), Node: node}, Replicas: 1}
	if len(servers) > 1 {
		o.Replicas = 3
	}
	return o
}

// openStore opens a store. Its authority closes it.
func openStore(t testing.TB, o clusterstore.Options) *clusterstore.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitFor)
	defer cancel()
	s, err := clusterstore.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// openAuthority opens an authority on a new store.
func openAuthority(t testing.TB, o clusterstore.Options) *auth.Authority {
	t.Helper()
	return authorityOn(t, openStore(t, o))
}

// authorityOn opens an authority on a store.
func authorityOn(t testing.TB, s *clusterstore.Store) *auth.Authority {
	t.Helper()
	a, err := auth.Open(auth.Options{Store: s})
	if err != nil {
		s.Close() //nolint:errcheck // the test has failed
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return a
}

// eventually waits until a condition is true.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitFor); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen: %s", what)
		}
	}
}
