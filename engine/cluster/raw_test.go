package cluster_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// dial connects to servers as another program than Boreas does.
func dial(t *testing.T, urls ...string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	o := natsconn.Options{URLs: urls, Node: "test"}
	nc, err := o.Connect(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// makeStream makes the stream as a node does, with changes.
func makeStream(t *testing.T, js jetstream.JetStream, change func(c *jetstream.StreamConfig)) {
	t.Helper()
	c := jetstream.StreamConfig{
		Name: "BOREAS", Subjects: []string{"boreas.ch.*"}, Storage: jetstream.FileStorage, Replicas: 1,
		Discard: jetstream.DiscardOld, AllowDirect: true, AllowMsgTTL: true, DenyDelete: true,
		MaxMsgsPerSubject: 10_001, MaxAge: time.Minute, MaxBytes: 32 << 20, Duplicates: 30 * time.Second,
		Metadata: map[string]string{"boreas.version": "1"},
	}
	change(&c)
	if _, err := js.CreateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not after a minute", what)
		}
	}
}

func publish(t *testing.T, e engine.Engine, channel, data string) engine.Position {
	t.Helper()
	ack, err := e.Publish(t.Context(), channel, engine.Message{Data: []byte(data)})
	if err != nil {
		t.Fatalf("publish %s on %s: %v", data, channel, err)
	}
	return ack.Position
}

// since returns the messages of a channel after a position, or the engine's error.
func since(e engine.Engine, channel string, p engine.Position) (texts []string, err error) {
	h, err := e.Read(context.Background(), channel, p, engine.Limit{Messages: 100_000})
	for _, p := range h.Publications {
		texts = append(texts, string(p.Data))
	}
	return texts, err
}

// A follower records an engine's deliveries.
type follower struct {
	mu   sync.Mutex
	pubs []*engine.Publication
	gaps []gap
}

// A gap is a call of Reset.
type gap struct {
	After  int // publications before it
	Head   engine.Position
	Reason string
}

func (f *follower) Deliver(p *engine.Publication) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pubs = append(f.pubs, p)
}

func (f *follower) Reset(head engine.Position, reason error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gaps = append(f.gaps, gap{len(f.pubs), head, reason.Error()})
}

func (f *follower) resets() []gap {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]gap(nil), f.gaps...)
}

func (f *follower) texts() (texts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pubs {
		texts = append(texts, string(p.Data))
	}
	return texts
}

// follow makes a follower of a channel.
func follow(t *testing.T, e engine.Engine, channel string) (*follower, engine.Position) {
	t.Helper()
	f := &follower{}
	head, stop, err := e.Follow(t.Context(), channel, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return f, head
}

// expired reports whether an error means that a reader has missed messages.
func expired(err error) bool {
	return errors.Is(err, engine.ErrExpired) || errors.Is(err, engine.ErrUnknownEpoch)
}
