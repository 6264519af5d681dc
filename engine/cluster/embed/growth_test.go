//go:build !noembed

package embed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestGrowth: a cluster of three grows to five, as docs/cluster.md says. The new nodes start first, then
// the old ones restart one at a time. A majority is there all the time. With five replicas, the cluster
// then survives the loss of two nodes.
func TestGrowth(t *testing.T) {
	five := nodes(t, "n1", "n2", "n3", "n4", "n5")
	var three []Options
	for _, o := range five[:3] {
		o.Peers = o.Peers[:3]
		three = append(three, o)
	}
	servers := startAll(t, three...)
	awaitReady(t, servers)
	stream := makeStream(t, connect(t, servers[0]))
	acked := int64(0)
	publish := func(at *Server) {
		t.Helper()
		js, err := jetstream.New(connect(t, at))
		if err != nil {
			t.Fatal(err)
		}
		await(t, "a publish at "+at.options.Node, func() bool { // an election may be under way
			_, err := publishOnce(js, fmt.Sprint(acked))
			return err == nil
		})
		acked++
	}
	publish(servers[2])
	servers = append(servers, startAll(t, five[3:]...)...)
	awaitReady(t, servers)
	publish(servers[4])
	for i := range three {
		if err := servers[i].Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for j, s := range servers {
			if reason := s.Status().Reason; i != j && strings.HasPrefix(reason, "no majority") {
				t.Errorf("while %s restarts, %s has %s", five[i].Node, five[j].Node, reason)
			}
		}
		servers[i] = startAll(t, five[i])[0]
		awaitReady(t, servers)
		publish(servers[i])
	}
	js, err := jetstream.New(connect(t, servers[3]))
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.Replicas = len(five)
	await(t, "five replicas", func() bool {
		stream, err = js.UpdateStream(t.Context(), config)
		return err == nil
	})
	await(t, "five copies of the stream", func() bool {
		info, err := stream.Info(t.Context())
		if err != nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != len(five)-1 {
			return false
		}
		for _, r := range info.Cluster.Replicas {
			if !r.Current || r.Offline {
				return false
			}
		}
		return true
	})
	for _, s := range servers[:2] {
		s.kill()
	}
	publish(servers[4])
	if got := count(t, stream); got != acked {
		t.Errorf("the stream has %d messages, and %d were acknowledged", got, acked)
	}
}
