package cluster_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A node without a consumer reads the stream directly. It begins with the last message that it has.
func TestFill(t *testing.T) {
	const large = 4 << 10 // bytes; more than a direct read returns here
	type outcome struct {
		Read     []string // the texts that a follower gets
		Gap      bool
		ReadAll  bool
		Unproved bool // whether the leader is asked for the last message before
	}
	for _, c := range []struct {
		name  string
		limit func(c *jetstream.StreamConfig)
		first string
		other bool // whether the stream has another last message than the node
		want  outcome
	}{
		{name: "the same last message", first: "0", want: outcome{Read: []string{"0", "1", "2", "3"}, ReadAll: true}},
		{name: "another last message", first: "0", other: true, want: outcome{Read: []string{"0"}, Unproved: true}},
		{
			name: "the last message is gone", first: "0", limit: func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 2 },
			want: outcome{Read: []string{"0", "2", "3"}, Gap: true, ReadAll: true, Unproved: true},
		},
		{
			name: "the last message fills the answer", first: strings.Repeat("x", large),
			want: outcome{Read: []string{"large", "1", "2", "3"}, ReadAll: true, Unproved: true},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			urls := natstest.URLs(natstest.Start(t))
			_, js := dial(t, urls...)
			if c.limit == nil {
				c.limit = func(*jetstream.StreamConfig) {}
			}
			makeStream(t, js, c.limit)
			looks := make(chan time.Time)
			e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.LookAt(looks).BeatOnce().FillWith(large/2), urls...)
			f, _ := follow(t, e, "c")
			eventually(t, "the node has its only beat", func() bool { return e.Beat() > 0 && e.Status().At >= e.Beat() })
			e.StopConsumer()
			first := rawPublish(t, js, "c", c.first)
			fill := func(to uint64) { // an answer may be late
				eventually(t, "a direct read succeeds", func() bool { return e.Fill(t.Context(), to) == nil })
			}
			fill(first)
			if at := e.Status().At; at != first {
				t.Fatalf("the node is at %d, and the first message is %d", at, first)
			}
			if c.other {
				e.ReadAnother()
			}
			var last uint64
			for _, text := range []string{"1", "2", "3"} {
				last = rawPublish(t, js, "c", text)
			}
			fill(last)
			got := outcome{Read: f.texts(), Gap: f.resets() != nil, ReadAll: e.Status().At == last, Unproved: slices.Contains(e.Unproved(), first)}
			for i, text := range got.Read {
				if len(text) == large {
					got.Read[i] = "large"
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !c.other {
				return
			}
			go keepLooking(t.Context(), looks)
			eventually(t, "a new epoch begins", func() bool { return f.resets() != nil })
			if texts := f.texts(); !slices.Equal(texts, []string{"0"}) {
				t.Errorf("the follower got %q", texts)
			}
		})
	}
}
