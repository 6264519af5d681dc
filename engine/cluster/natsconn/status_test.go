package natsconn_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// TestReplica: a server is described as its leader knows it. A dead server of a quiet stream has nothing to
// catch up, and a new leader knows nothing of a server that is dead: both are called silent.
func TestReplica(t *testing.T) {
	const behind = "the server s2 is 7 operations behind with the stream S"
	const unheard = "the leader of the stream S does not hear the server s2"
	for _, c := range []struct {
		peer          jetstream.PeerInfo
		text, problem string
	}{
		{jetstream.PeerInfo{Current: true, Active: time.Second}, "current", ""},
		{jetstream.PeerInfo{Active: time.Second, Lag: 7}, "7 operations behind", behind},
		{jetstream.PeerInfo{Active: natsconn.SilentAfter - 1, Lag: 7}, "7 operations behind", behind},
		{jetstream.PeerInfo{Active: 12345 * time.Millisecond}, "silent, last heard 12s ago", unheard},
		{jetstream.PeerInfo{Active: time.Minute, Lag: 7}, "silent, last heard 1m0s ago, 7 operations behind", unheard},
		{jetstream.PeerInfo{Lag: 81034}, "not heard by the leader yet", unheard},
		{jetstream.PeerInfo{Offline: true, Current: true, Active: time.Minute}, "offline, last heard 1m0s ago", "the server s2, which keeps the stream S, cannot be reached"},
	} {
		c.peer.Name = "s2"
		r := natsconn.ReplicaOf(&c.peer)
		s := natsconn.StreamStatus{Name: "S", Wanted: 2, Replicas: []natsconn.Replica{{Name: "s1", Leader: true, Current: true}, r}}
		problem := ""
		if err := s.Current(); err != nil {
			problem = err.Error()
		}
		want, got := []string{"leader", c.text, c.problem}, []string{s.Replicas[0].String(), r.String(), problem}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fmt.Sprintf("%+v", c.peer), diff)
		}
	}
}
