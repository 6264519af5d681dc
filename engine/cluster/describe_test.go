package cluster_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

func TestDescribe(t *testing.T) {
	all := natstest.StartCluster(t, 3)
	o := cluster.Options{Servers: natsconn.Options{URLs: natstest.URLs(all...), Node: "n1"}, History: 64 << 20}
	if _, err := cluster.Describe(t.Context(), o); !errors.Is(err, cluster.ErrNoStream) || err.Error() != "BOREAS: there is no such stream: the first node of a cluster creates it" {
		t.Errorf("without a stream: %v", err)
	}
	e := open(t, o, o.Servers.URLs...)
	for _, channel := range []string{"a", "a", "b"} {
		if _, err := e.Publish(t.Context(), channel, engine.Message{Data: []byte(`1`)}); err != nil {
			t.Fatal(err)
		}
	}
	limits := cluster.Limits{Messages: 10_000, Age: 5 * time.Minute, History: 64 << 20, KeyWindow: 2 * time.Minute, Replicas: 3}
	d, err := cluster.Describe(t.Context(), o)
	if err != nil || !d.Agrees() {
		t.Fatalf("%+v, %v", d, err)
	}
	for i := range d.Stream.Replicas { // the election and the followers' progress differ
		d.Stream.Replicas[i] = natsconn.Replica{Name: d.Stream.Replicas[i].Name}
	}
	want := cluster.Description{
		Stream:  natsconn.StreamStatus{Name: "BOREAS", Wanted: 3, Replicas: []natsconn.Replica{{Name: "s1"}, {Name: "s2"}, {Name: "s3"}}, MaxBytes: 64 << 20},
		InForce: limits, Wanted: limits,
	}
	ignored := cmp.Options{
		cmpopts.IgnoreUnexported(cluster.Description{}),
		cmpopts.IgnoreFields(natsconn.StreamStatus{}, "Messages", "Bytes", "Subjects", "First", "Last"), // nodes' beats are there, too
	}
	if diff := cmp.Diff(want, d, ignored); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Stream.Messages < 4 || d.Stream.Last < d.Stream.First {
		t.Errorf("the stream has %+v", d.Stream)
	}

	o.Messages, o.Age, o.History, o.KeyWindow, o.Replicas = 20_000, time.Hour, 32<<20, time.Minute, 1
	if d, err = cluster.Describe(t.Context(), o); err != nil || d.Agrees() || !d.InForce.Drops(d.Wanted) {
		t.Errorf("before the change: %+v, %v", d, err)
	}
	if err := cluster.Apply(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	d, err = cluster.Describe(t.Context(), o)
	limits = cluster.Limits{Messages: 20_000, Age: time.Hour, History: 32 << 20, KeyWindow: time.Minute, Replicas: 1}
	if diff := cmp.Diff(limits, d.InForce); diff != "" || err != nil || !d.Agrees() {
		t.Errorf("%v, after the change (-want +got):\n%s", err, diff)
	}
	o.Replicas = 5
	if err := cluster.Apply(t.Context(), o); err == nil {
		t.Error("three servers accept five replicas")
	}
}

// TestForeignStream: a stream of another program is neither described nor changed.
func TestForeignStream(t *testing.T) {
	servers := natsconn.Options{URLs: natstest.URLs(natstest.Start(t)), Node: "n1"}
	createStream(t, servers, "BOREAS", "x")
	const want = "the stream BOREAS was not made by this program: give another nats_prefix"
	o := cluster.Options{Servers: servers, Replicas: 1}
	if _, err := cluster.Describe(t.Context(), o); err == nil || err.Error() != want {
		t.Error(err)
	}
	if err := cluster.Apply(t.Context(), o); err == nil || err.Error() != want {
		t.Error(err)
	}
}

// TestApplyShrinks: after the limit of a channel's messages was lowered and raised again, a node that
// runs meanwhile still knows that messages are missing.
func TestApplyShrinks(t *testing.T) {
	o := cluster.Options{
		Servers:  natsconn.Options{URLs: natstest.URLs(natstest.Start(t)), Node: "n1"},
		Replicas: 1, Messages: 20_000, History: 64 << 20, Memory: 1 << 16,
	}
	e := open(t, o, o.Servers.URLs...)
	const writers, each = 50, 210 // 10,501 messages, above the lower limit
	first, err := e.Publish(t.Context(), "a", engine.Message{Data: []byte(`0`)})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				if _, err := e.Publish(t.Context(), "a", engine.Message{Data: fmt.Appendf(nil, `"%d %d %0100d"`, w, i, 0)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	if h, err := e.Read(t.Context(), "a", first.Position, engine.Limit{Messages: 1}); err != nil || len(h.Publications) != 1 {
		t.Fatalf("before the change: %+v, %v", h, err)
	}
	for _, messages := range []int{10_000, 20_000} {
		o.Messages = messages
		if err := cluster.Apply(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if h, err := e.Read(t.Context(), "a", first.Position, engine.Limit{Messages: 1}); !errors.Is(err, engine.ErrExpired) {
			t.Errorf("with a limit of %d: %d publications, %v; want ErrExpired", messages, len(h.Publications), err)
		}
	}
}

func createStream(t *testing.T, servers natsconn.Options, name, subject string) {
	t.Helper()
	nc, err := servers.Connect(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
		t.Fatal(err)
	}
}
