package cluster_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A node has only the newest messages in memory and reads the others from the servers. Reads in both
// directions, with all kinds of limits, return the same as those of a node that has everything in
// memory.
func TestReadsOfOldMessages(t *testing.T) {
	const messages, reads = 3000, 100
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	r := rand.New(rand.NewPCG(1, 2))
	for i := range messages {
		channel := "often"
		switch {
		case i < 5:
			channel = "once"
		case i%500 == 250:
			channel = "rarely"
		case i%3 == 0:
			channel = "other"
		}
		if _, err := js.PublishAsync("boreas.ch."+channel, fmt.Append(nil, i, " ", strings.Repeat("x", r.IntN(100)))); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 || i == messages-1 {
			<-js.PublishAsyncComplete()
		}
	}
	whole := open(t, cluster.Options{Replicas: 1, Age: time.Hour, Servers: node("a")}, urls...)
	part := open(t, cluster.Options{Replicas: 1, Age: time.Hour, Servers: node("b"), Memory: 200 << 10}, urls...)
	for i := range reads {
		channel := []string{"often", "often", "often", "rarely", "once", "never"}[r.IntN(6)]
		all, err := whole.Read(t.Context(), channel, engine.Position{}, engine.Limit{Messages: messages})
		if err != nil {
			t.Fatal(err)
		}
		at := func() uint64 { return 1 + r.Uint64N(all.Head.Offset) }
		limit := engine.Limit{Messages: []int{1, 2, 10, 100, 1000, messages}[r.IntN(6)], Bytes: []int{0, 0, 1, 1000, 100_000}[r.IntN(5)]}
		var since engine.Position
		if r.IntN(3) == 0 {
			since = engine.Position{Epoch: all.Head.Epoch, Offset: all.Floor.Offset + r.Uint64N(all.Head.Offset-all.Floor.Offset+1)}
		}
		switch r.IntN(4) {
		case 0:
			limit.Before = math.MaxUint64
		case 1, 2:
			limit.Before = at()
		case 3:
			limit.Messages = -limit.Messages
		}
		want, err := whole.Read(t.Context(), channel, since, limit)
		if err != nil {
			t.Fatal(err)
		}
		var got engine.History
		eventually(t, "the servers answer", func() bool {
			got, err = part.Read(t.Context(), channel, since, limit)
			return !errors.Is(err, engine.ErrUnavailable)
		})
		if err != nil {
			t.Fatalf("read %d, of %s since %v with %+v: %v", i, channel, since, limit, err)
		}
		if diff := cmp.Diff([]any{want.Publications, want.More}, []any{got.Publications, got.More}); diff != "" {
			t.Fatalf("read %d, of %s since %v with %+v (-in memory +read from the servers): %s", i, channel, since, limit, diff)
		}
	}
	if n := part.Status().ColdReads; n < reads/10 {
		t.Errorf("only %d reads were from the servers", n)
	}
}

// A caller that asks only whether messages are missing after a position causes one question to the servers, however
// many messages there are.
func TestReadWithoutMessages(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	nc, _ := dial(t, urls...)
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a"), Memory: 1}, urls...)
	first := publish(t, e, "c", "0")
	items := make([]engine.Item, 1100) // more than two direct reads return
	for i := range items {
		items[i] = engine.Item{Channel: "c", Message: engine.Message{Data: []byte("{}")}}
	}
	for i, r := range e.PublishMany(t.Context(), items) {
		if r.Err != nil {
			t.Fatalf("message %d: %v", i, r.Err)
		}
	}
	questions, err := nc.SubscribeSync("$JS.API.DIRECT.GET.BOREAS")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	h, err := e.Read(t.Context(), "c", first, engine.Limit{})
	if err != nil || len(h.Publications) > 0 {
		t.Fatalf("%d messages, %v", len(h.Publications), err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := questions.Pending(); n != 1 {
		t.Errorf("%d questions instead of 1", n)
	}
}
