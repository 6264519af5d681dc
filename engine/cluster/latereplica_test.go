package cluster_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/engine/cluster"
	"github.com/boreas-pubsub/boreas/internal/natstest"
)

// The replica that answers a read of old messages does not have them yet. The node asks again, and leaves none out.
func TestLateReplica(t *testing.T) {
	for name, limit := range map[string]engine.Limit{"oldest first": {Messages: 10}, "newest": {Messages: -2}} {
		t.Run(name, func(t *testing.T) {
			urls := natstest.URLs(natstest.Start(t))
			nc, js := dial(t, urls...)
			e := open(t, cluster.Options{Replicas: 1, Servers: node("a"), Memory: 32 << 10}, urls...)
			first := publish(t, e, "c", "0")
			publish(t, e, "c", "1")
			publish(t, e, "c", "2")
			for range 100 {
				publish(t, e, "other", strings.Repeat("x", 1<<10))
			}
			s, err := js.Stream(t.Context(), "BOREAS")
			if err != nil {
				t.Fatal(err)
			}
			c := s.CachedInfo().Config
			direct := func(allowed bool) {
				t.Helper()
				c.AllowDirect = allowed
				if _, err := js.UpdateStream(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			direct(false)
			asked := make(chan struct{}, 100)
			late, err := nc.Subscribe("$JS.API.DIRECT.GET.BOREAS", func(m *nats.Msg) {
				answer := nats.NewMsg(m.Reply)
				answer.Header = nats.Header{"Status": {"404"}, "Description": {"Message Not Found"}}
				m.RespondMsg(answer) //nolint:errcheck // the node then asks again
				asked <- struct{}{}
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			type result struct {
				texts []string
				err   error
			}
			done := make(chan result, 1)
			go func() {
				since := first
				if limit.Messages < 0 {
					since = engine.Position{}
				}
				h, err := e.Read(t.Context(), "c", since, limit)
				var r result
				for _, p := range h.Publications {
					r.texts = append(r.texts, string(p.Data))
				}
				r.err = err
				done <- r
			}()
			<-asked
			select {
			case <-asked: // again
			case r := <-done:
				t.Fatalf("the node believes the replica: %q, %v", r.texts, r.err)
			}
			if err := late.Unsubscribe(); err != nil {
				t.Fatal(err)
			}
			direct(true)
			r := <-done
			if diff := cmp.Diff([]string{"1", "2"}, r.texts); diff != "" || r.err != nil {
				t.Errorf("error %v (-want +got):\n%s", r.err, diff)
			}
		})
	}
}
