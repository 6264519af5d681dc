package clusterstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/authtest"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// TestStore runs the tests of all stores on one server, and on a cluster of three. Each store is
// connected to another server than the one before it.
func TestStore(t *testing.T) {
	for name, start := range map[string]func(testing.TB) []*server.Server{
		"one server":    func(t testing.TB) []*server.Server { return []*server.Server{natstest.Start(t)} },
		"three servers": func(t testing.TB) []*server.Server { return natstest.StartCluster(t, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			servers := start(t)
			var logs, stores atomic.Int64
			authtest.TestStore(t, func(t *testing.T, test func(t *testing.T, open func() auth.Store)) {
				prefix := fmt.Sprintf("log%d", logs.Add(1))
				test(t, func() auth.Store {
					n := stores.Add(1)
					o := options(fmt.Sprintf("n%d", n), servers...)
					o.Servers.Prefix = prefix
					o.Servers.URLs = natstest.URLs(servers[int(n)%len(servers)])
					o.MaxBytes = 8 << 20
					return openStore(t, o)
				})
			})
		})
	}
}
