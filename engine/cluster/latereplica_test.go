package cluster_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
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

// A channel keeps fewer messages than the stream. A node that reads them from the servers returns no more than the
// channel keeps.
func TestOwnLimitOfOldMessages(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	limits := func(string) engine.Retention { return engine.Retention{Messages: 2} }
	a := open(t, cluster.Options{Replicas: 1, Servers: node("a")}, urls...)
	var at []engine.Position
	for _, text := range []string{"0", "1", "2", "3", "4"} {
		at = append(at, publish(t, a, "c", text))
	}
	for range 100 {
		publish(t, a, "other", strings.Repeat("x", 1<<10))
	}
	b := open(t, cluster.Options{Replicas: 1, Servers: node("b"), Memory: 32 << 10, Limits: limits}, urls...)
	if texts, err := since(b, "c", at[0]); !expired(err) {
		t.Errorf("after the first message: %q, %v", texts, err)
	}
	texts, err := since(b, "c", at[2])
	if diff := cmp.Diff([]string{"3", "4"}, texts); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if b.Status().ColdReads == 0 {
		t.Error("the node has read from its memory")
	}
}
