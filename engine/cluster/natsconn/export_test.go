package natsconn

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// ReplicaOf returns a server that follows the leader.
func ReplicaOf(p *jetstream.PeerInfo) Replica { return replicaOf(p) }

// SetMinVersion changes the oldest version that is accepted, until the end of the test.
func SetMinVersion(t *testing.T, major, minor int) {
	before := MinVersion
	MinVersion = [2]int{major, minor}
	t.Cleanup(func() { MinVersion = before })
}
