package cluster_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestMain(m *testing.M) {
	natstest.RunProcess()
	goleak.VerifyTestMain(m, natstest.Goroutines()...)
}

// open opens an engine on the servers.
func open(t *testing.T, o cluster.Options, urls ...string) *cluster.Engine {
	t.Helper()
	o.Servers.URLs = urls
	o.History = cmp.Or(o.History, 32<<20)
	if o.Servers.Node == "" {
		o.Servers.Node = "n1"
	}
	log, lines := testlog.NewAt(slog.LevelDebug)
	o.Logger = log
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(lines)
		}
	})
	e, err := cluster.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// TestEngine uses one server; TestSharedEngine has the same checks with three.
func TestEngine(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	n := 0
	boreastest.TestEngine(t, func(t *testing.T) engine.Engine {
		n++
		return open(t, cluster.Options{Replicas: 1, Servers: natsconn.Options{Prefix: fmt.Sprint("t", n)}}, urls...)
	})
}
