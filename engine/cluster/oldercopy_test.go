package cluster_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A server comes back with an older copy of its files, and a publisher is faster than the watch. Its message gets a
// sequence that another one had. It is acknowledged when the new epoch has begun, and followers get it then.
func TestPublishOnOlderCopy(t *testing.T) {
	for _, key := range []string{"", "k"} {
		t.Run("key="+key, func(t *testing.T) {
			t.Parallel() // the connections are made again after a while
			s := natstest.Start(t)
			urls := natstest.URLs(s)
			looks := make(chan time.Time)
			e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.LookAt(looks), urls...)
			publish(t, e, "c", "kept")
			older := filepath.Join(t.TempDir(), "older")
			s = natstest.Restart(t, s, func(o *server.Options) { copyDir(t, o.StoreDir, older) })
			var last engine.Position
			for range 200 {
				last = publish(t, e, "c", "lost")
			}
			f, _ := follow(t, e, "c")
			natstest.Restart(t, s, func(o *server.Options) {
				if err := os.RemoveAll(o.StoreDir); err != nil {
					t.Fatal(err)
				}
				copyDir(t, older, o.StoreDir)
			})
			type result struct {
				engine.Ack
				err error
			}
			done := make(chan result, 1)
			go func() {
				ack, err := e.Publish(context.Background(), "c", engine.Message{Data: []byte("new"), Key: key})
				done <- result{ack, err}
			}()
			before := e.Status().Retries
			eventually(t, "an attempt is acknowledged", func() bool { return e.Status().Retries > before || len(done) > 0 })
			go keepLooking(t.Context(), looks)
			r := <-done
			if r.err != nil || r.Position.Epoch == last.Epoch || r.Duplicate {
				t.Fatalf("%+v, and the epoch was %d", r, last.Epoch)
			}
			if diff := cmp.Diff([]string{"new"}, f.texts()); diff != "" {
				t.Errorf("the follower (-want +got):\n%s", diff)
			}
			gaps := f.resets()
			if len(gaps) != 1 || gaps[0].Head.Epoch != r.Position.Epoch {
				t.Errorf("gaps %v", gaps)
			}
			texts, err := since(e, "c", gaps[0].Head)
			if !slices.Equal(texts, []string{"new"}) || err != nil {
				t.Errorf("%q are kept, %v", texts, err)
			}
			again, err := e.Publish(t.Context(), "c", engine.Message{Data: []byte("new"), Key: key})
			if key != "" && (err != nil || !again.Duplicate || again.Position != r.Position) {
				t.Errorf("with the same key again: %+v, %v, want %v", again, err, r.Position)
			}
		})
	}
}
