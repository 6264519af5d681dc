package server

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// TestStartWaitsForMajority: a node that starts while there is no majority of the NATS servers waits for
// it, for as long as that takes. The store of tokens gives one attempt up after 12 seconds, so the test
// takes longer than that, and `make soak` runs it.
func TestStartWaitsForMajority(t *testing.T) {
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set")
	}
	servers := natstest.StartCluster(t, 3)
	start := func(ctx context.Context) (*Server, *testlog.Buffer, error) {
		cfg := config.Default()
		cfg.APIHost, cfg.APIPort, cfg.WSHost, cfg.WSPort = "127.0.0.1", 0, "127.0.0.1", 0
		cfg.Engine, cfg.Node = servers[0].ClientURL(), "n1"
		log, lines := testlog.New()
		s, err := Start(ctx, cfg, Options{Log: log})
		return s, lines, err
	}
	first, _, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	natstest.Stop(servers[1])
	natstest.Stop(servers[2])
	short, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if s, lines, err := start(short); err == nil {
		s.Shutdown(t.Context()) //nolint:errcheck // it should not run
		t.Error("the node started without a majority")
	} else if short.Err() == nil {
		t.Errorf("the node did not wait: %v\n%s", err, lines)
	}
}
