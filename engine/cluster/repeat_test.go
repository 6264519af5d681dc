package cluster_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A node repeats a message because its acknowledgement is late. The message is kept once, and its
// publisher gets the position of the one that is kept.
func TestRepeatedMessage(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.Impatient(), urls...)
	var want, got []published
	for _, m := range []engine.Message{{Data: []byte("no key")}, {Data: []byte("a key"), Key: "k"}} {
		ack, err := e.Publish(t.Context(), "c", m)
		if err != nil {
			t.Fatal(err)
		}
		if ack.Duplicate {
			t.Errorf("%s counts as a duplicate of itself", m.Data)
		}
		want = append(want, published{ack.Position.Offset, string(m.Data)})
	}
	if s := e.Status(); s.Retries < 2 {
		t.Errorf("the node has repeated %d messages: the test tests nothing", s.Retries)
	}
	h, err := e.Read(t.Context(), "c", engine.Position{}, engine.Limit{Messages: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range h.Publications {
		got = append(got, published{p.Offset, string(p.Data)})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-acknowledged +kept):\n%s", diff)
	}
}
