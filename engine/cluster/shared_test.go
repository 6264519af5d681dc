package cluster_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// Nodes share a stream. The store loses its data when somebody deletes the stream.
func TestSharedEngine(t *testing.T) {
	urls := natstest.URLs(natstest.StartCluster(t, 3)...)
	stores := 0
	boreastest.TestSharedEngine(t, func(t *testing.T) boreastest.SharedStore {
		stores++
		nodes := 0
		names := natsconn.Options{Prefix: fmt.Sprint("t", stores)}
		return boreastest.SharedStore{
			Open: func(t *testing.T) engine.Engine {
				nodes++
				o := cluster.Options{Servers: names}
				o.Servers.Node = fmt.Sprint("n", nodes)
				return open(t, o, urls[nodes%len(urls)])
			},
			Lose: func(t *testing.T) { deleteStream(t, names.Stream(), urls) },
		}
	})
}

func deleteStream(t *testing.T, stream string, urls []string) {
	t.Helper()
	o := natsconn.Options{URLs: urls, Node: "test"}
	nc, err := o.Connect(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(context.Background(), stream); err != nil {
		t.Fatal(err)
	}
}
