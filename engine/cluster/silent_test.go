package cluster_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
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

// A client has a position from another node, and this node has not read so far. It waits, because later messages have
// later sequences: the position is not ahead of the stream.
func TestPositionOfAnotherNode(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	// Two beats take longer than a reader waits before it looks at them.
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.BeatEvery(200*time.Millisecond), urls...)
	epoch := publish(t, e, "c", "0").Epoch
	release := e.HoldTail()
	at := rawPublish(t, js, "c", "1")
	done := make(chan error, 1)
	go func() {
		_, err := e.Read(context.Background(), "c", engine.Position{Epoch: epoch, Offset: at}, engine.Limit{Messages: 1})
		done <- err
	}()
	for range 3 {
		beat := e.Beat()
		eventually(t, "another beat", func() bool { return e.Beat() > beat })
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
