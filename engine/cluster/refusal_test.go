package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// The error of Open says why it cannot use the servers, and names the remedy.
func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		servers func(o *server.Options)
		stream  func(c *jetstream.StreamConfig) // nil if there is none
		options cluster.Options
		want    string
	}{
		{
			name: "the stream of another program", stream: func(c *jetstream.StreamConfig) { c.Metadata = nil },
			want: "was not made by this program: give another nats_prefix",
		},
		{
			name: "a newer layout", stream: func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{"boreas.version": "2"} },
			want: `has the layout "2", and this version knows 1`,
		},
		{
			name: "the subjects of another stream", stream: func(c *jetstream.StreamConfig) { c.Name = "OTHER" },
			want: "open the stream BOREAS: ",
		},
		{name: "no JetStream", servers: func(o *server.Options) { o.JetStream = false }, want: "enable JetStream on them"},
		{name: "too many replicas", options: cluster.Options{Replicas: 3}, want: "cannot have 3 replicas"},
		{name: "no room", servers: func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 }, want: "raise max_file_store there, or lower cluster_history"},
		{name: "wrong credentials", servers: func(o *server.Options) { o.Username, o.Password = "u", "p" }, want: "refuses the credentials"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := natstest.Start(t)
			if c.servers != nil {
				s = natstest.Restart(t, s, c.servers)
			}
			urls := natstest.URLs(s)
			if c.stream != nil {
				_, js := dial(t, urls...)
				makeStream(t, js, c.stream)
			}
			o := c.options
			o.Servers, o.History = node("a"), 8<<20
			o.Servers.URLs = urls
			if o.Replicas == 0 {
				o.Replicas = 1
			}
			// All but the missing JetStream is known at once.
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			e, err := cluster.Open(ctx, o)
			if err == nil {
				e.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// The servers have no room. The error says so at once, and publishing works when there is room again.
func TestStorageFull(t *testing.T) {
	s := natstest.Restart(t, natstest.Start(t), func(o *server.Options) { o.JetStreamMaxStore = 4 << 20 })
	urls := natstest.URLs(s)
	_, js := dial(t, urls...)
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a"), History: 1 << 20}, urls...)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other"}}); err != nil {
		t.Fatal(err)
	}
	full := false
	for range 10 {
		if _, err := js.Publish(t.Context(), "other", make([]byte, 900<<10)); err != nil {
			full = true
			break
		}
	}
	if !full {
		t.Fatal("the servers are not full")
	}
	if _, err := e.Publish(t.Context(), "c", engine.Message{Data: []byte("{}")}); !errors.Is(err, engine.ErrStorageFull) {
		t.Errorf("error %v, want %v", err, engine.ErrStorageFull)
	}
	if err := js.DeleteStream(t.Context(), "OTHER"); err != nil {
		t.Fatal(err)
	}
	publish(t, e, "c", "{}")
}

// A message that the servers do not take is refused at once.
func TestMessageTooLarge(t *testing.T) {
	for _, most := range []int32{2 << 10, 16 << 10} {
		s := natstest.Restart(t, natstest.Start(t), func(o *server.Options) { o.MaxPayload = most })
		e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}, natstest.URLs(s)...)
		_, err := e.Publish(t.Context(), "c", engine.Message{Data: make([]byte, most)})
		if err == nil || errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "NATS servers") {
			t.Errorf("max_payload %d: error %v", most, err)
		}
		if _, err := e.Publish(t.Context(), strings.Repeat("x", 5000), engine.Message{Data: []byte("{}")}); err == nil || errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("a name of 5,000 bytes: error %v", err)
		}
		publish(t, e, "c", "{}")
	}
}
