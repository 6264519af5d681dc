package cluster_test

import (
	compare "cmp"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

const (
	// aheadBytes is how many bytes the servers send to a node of these tests before it has taken earlier messages.
	aheadBytes = 32 << 10

	// sentAhead is a number of messages that take more: the subjects and headers of the servers for one
	// have more than 33 bytes.
	sentAhead = 1000
)

// rawPublish publishes a message as another program, and returns its sequence.
func rawPublish(t *testing.T, js jetstream.JetStream, channel, data string) uint64 {
	t.Helper()
	ack, err := js.Publish(t.Context(), "boreas.ch."+channel, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// flood publishes many messages of a channel.
func flood(t *testing.T, js jetstream.JetStream, channel string, n int) {
	t.Helper()
	var acks []jetstream.PubAckFuture
	for i := range n {
		ack, err := js.PublishMsgAsync(&nats.Msg{Subject: "boreas.ch." + channel, Data: fmt.Append(nil, i)})
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, ack)
		if len(acks) < 1000 && i < n-1 {
			continue
		}
		for _, a := range acks {
			select {
			case <-a.Ok():
			case err := <-a.Err():
				t.Fatal(err)
			}
		}
		acks = nil
	}
}

// The stream drops messages while a node that starts is reading them. The node knows which messages it missed.
func TestMessagesDroppedWhileStarting(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  func(c *jetstream.StreamConfig)
		floods string // channel
	}{
		{"size", func(c *jetstream.StreamConfig) { c.MaxBytes = 80 << 10 }, "other"},
		{"number", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 101 }, "c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			urls := natstest.URLs(natstest.Start(t))
			_, js := dial(t, urls...)
			makeStream(t, js, c.limit)
			rawPublish(t, js, "c", "first")
			rawPublish(t, js, "stop", "{}")
			known := rawPublish(t, js, "c", "second")
			flood(t, js, "other", sentAhead)
			rawPublish(t, js, "c", "missed")
			flood(t, js, "other", 100)
			var last uint64
			stop := sync.OnceFunc(func() { // in the goroutine of the tail
				flood(t, js, c.floods, 2*sentAhead)
				last = rawPublish(t, js, "c", "last")
			})
			o := cluster.Options{Replicas: 1, Servers: node("a"), Limits: func(channel string) (r engine.Retention) {
				if channel == "stop" {
					stop()
				}
				return r
			}}
			e := open(t, o.SendAhead(aheadBytes), urls...)
			eventually(t, "the node has everything", func() bool { return e.Status().At >= last })
			at := engine.Position{Epoch: e.Status().Epoch, Offset: known}
			if texts, err := since(e, "c", at); !expired(err) {
				t.Errorf("after the second message: %d publications, error %v", len(texts), err)
			}
			h, err := e.Read(t.Context(), "c", engine.Position{}, engine.Limit{Messages: -3})
			if err != nil || len(h.Publications) == 0 {
				t.Fatalf("the newest: %v, error %v", h, err)
			}
			if got := string(h.Publications[len(h.Publications)-1].Data); got != "last" {
				t.Errorf("the newest is %s", got)
			}
			if h.Floor.Offset <= at.Offset {
				t.Errorf("the floor %v is not after %v", h.Floor, at)
			}
		})
	}
}

// The stream drops messages before the tail has read them. All followers get a gap, and then what
// follows.
func TestLateTail(t *testing.T) {
	const keeps = 100
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = keeps + 1 })
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.SendAhead(aheadBytes), urls...)
	busy, _ := follow(t, e, "busy")
	quiet, _ := follow(t, e, "quiet")
	before := publish(t, e, "busy", "before")
	publish(t, e, "quiet", "before")
	release := e.HoldTail()
	flood(t, js, "busy", sentAhead)
	missed := rawPublish(t, js, "quiet", "while it was held")
	flood(t, js, "busy", sentAhead)
	release()
	publish(t, e, "busy", "after")
	publish(t, e, "quiet", "after")
	eventually(t, "the tail goes on", func() bool { return slices.Contains(quiet.texts(), "after") })
	if texts, err := since(e, "busy", before); !expired(err) {
		t.Errorf("after the last position before the hole: %d publications, error %v", len(texts), err)
	}
	for name, f := range map[string]*follower{"busy": busy, "quiet": quiet} {
		gaps := f.resets()
		if len(gaps) == 0 {
			t.Fatalf("%s got no gap", name)
		}
		// Between gaps nothing is missing, and nothing comes twice.
		last := gaps[len(gaps)-1]
		if n := slices.IndexFunc(f.pubs, func(p *engine.Publication) bool { return p.Offset > last.Head.Offset }); n != last.After {
			t.Errorf("%s: %d publications came before the last gap, and %d are before its end", name, last.After, n)
		}
		if !slices.IsSortedFunc(f.pubs, func(a, b *engine.Publication) int { return compare.Compare(a.Offset, b.Offset) }) {
			t.Errorf("%s: publications are not in order", name)
		}
		newest := f.pubs[max(last.After, len(f.pubs)-keeps/2):]
		h, err := e.Read(t.Context(), name, engine.Position{Epoch: last.Head.Epoch, Offset: newest[0].Offset}, engine.Limit{Messages: keeps})
		if diff := cmp.Diff(slices.Concat(newest[1:]), h.Publications); diff != "" || err != nil {
			t.Errorf("%s: error %v, delivered and read differ (-delivered +read): %s", name, err, diff)
		}
	}
	// The quiet channel has lost nothing: the servers still have the messages that came meanwhile.
	h, err := e.Read(t.Context(), "quiet", engine.Position{}, engine.Limit{Messages: 10})
	if err != nil || len(h.Publications) != 3 || h.Publications[1].Offset != missed {
		t.Errorf("quiet has %v, error %v", h.Publications, err)
	}
}
