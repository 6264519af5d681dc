package cluster_test

import (
	"slices"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/engine/cluster"
	"github.com/boreas-pubsub/boreas/internal/natstest"
)

// The consumer of a node is silent, because its server is gone. The node reads the stream itself: what it publishes
// at once, and what others publish when it looks at the stream.
func TestSilentConsumer(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	looks := make(chan time.Time)
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.LookAt(looks).BeatOnce(), urls...)
	f, _ := follow(t, e, "c")
	eventually(t, "the node has its only beat", func() bool { return e.Beat() > 0 && e.Status().At >= e.Beat() })
	e.StopConsumer()
	if at := publish(t, e, "c", "own"); e.Status().At < at.Offset {
		t.Errorf("the node is at %d, and its message at %d was acknowledged", e.Status().At, at.Offset)
	}
	rawPublish(t, js, "c", "other")
	go keepLooking(t.Context(), looks)
	eventually(t, "the node has the message of another one", func() bool { return slices.Equal(f.texts(), []string{"own", "other"}) })
}
