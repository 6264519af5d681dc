package natsconn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// StreamStatus describes a stream and the servers that keep it.
type StreamStatus struct {
	Name string

	// Replicas are the servers that keep the stream, by name, and Wanted is how many should.
	Replicas []Replica
	Wanted   int

	Messages, Bytes uint64
	Subjects        uint64
	First, Last     uint64 // sequences
	MaxBytes        int64  // the oldest messages, or new ones, are dropped above it
}

// Replica is a server that keeps a stream.
type Replica struct {
	Name    string
	Leader  bool   // it decides about the order of messages
	Current bool   // it has all that the leader has
	Offline bool   // the leader cannot reach it
	Behind  uint64 // how many operations it has not got yet, if it is not current
}

// Status asks the leader of a stream for its status and configuration. The error is that of package
// jetstream.
func Status(ctx context.Context, nc *nats.Conn, stream string) (StreamStatus, jetstream.StreamConfig, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return StreamStatus{}, jetstream.StreamConfig{}, err
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return StreamStatus{}, jetstream.StreamConfig{}, err
	}
	info := s.CachedInfo()
	status := StreamStatus{
		Name: stream, Wanted: max(info.Config.Replicas, 1), Messages: info.State.Msgs, Bytes: info.State.Bytes, Subjects: info.State.NumSubjects,
		First: info.State.FirstSeq, Last: info.State.LastSeq, MaxBytes: info.Config.MaxBytes,
	}
	if c := info.Cluster; c != nil {
		if c.Leader != "" {
			status.Replicas = append(status.Replicas, Replica{Name: c.Leader, Leader: true, Current: true})
		}
		for _, r := range c.Replicas {
			status.Replicas = append(status.Replicas, Replica{Name: r.Name, Current: r.Current && !r.Offline, Offline: r.Offline, Behind: r.Lag})
		}
	} else {
		// A server that is no member of a cluster.
		status.Replicas = []Replica{{Name: nc.ConnectedServerName(), Leader: true, Current: true}}
	}
	slices.SortFunc(status.Replicas, func(a, b Replica) int { return strings.Compare(a.Name, b.Name) })
	return status, info.Config, nil
}

// Current returns nil if every server that should keep the stream has all of it. Otherwise the error
// says which one does not.
func (s *StreamStatus) Current() error {
	if !slices.ContainsFunc(s.Replicas, func(r Replica) bool { return r.Leader }) {
		return fmt.Errorf("the stream %s has no leader", s.Name)
	}
	for _, r := range s.Replicas {
		switch {
		case r.Offline:
			return fmt.Errorf("the server %s, which keeps the stream %s, cannot be reached", r.Name, s.Name)
		case !r.Current:
			return fmt.Errorf("the server %s is %d operations behind with the stream %s", r.Name, r.Behind, s.Name)
		}
	}
	if len(s.Replicas) < s.Wanted {
		return fmt.Errorf("%d servers keep the stream %s, and %d should", len(s.Replicas), s.Name, s.Wanted)
	}
	return nil
}
