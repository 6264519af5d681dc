package natsconn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
	Silent  bool   // the leader has not heard from it for [SilentAfter], or never
	Behind  uint64 // how many operations it has not got yet; 0 if the leader has never heard from it

	// Since is how long ago the leader heard from a silent server; 0 if it never has. A new leader begins
	// with nothing.
	Since time.Duration
}

// SilentAfter is the time without a sign of a server after which it is silent.
const SilentAfter = 10 * time.Second

// replicaOf returns a server that follows the leader.
func replicaOf(p *jetstream.PeerInfo) Replica {
	r := Replica{Name: p.Name, Current: p.Current && !p.Offline, Offline: p.Offline, Behind: p.Lag}
	if r.Current {
		return r
	}
	r.Silent = p.Active == 0 || p.Active >= SilentAfter
	if r.Silent {
		r.Since = p.Active
	}
	if p.Active == 0 {
		r.Behind = 0 // a new leader takes it for a server that has nothing
	}
	return r
}

// String describes the server in a few words.
func (r Replica) String() string {
	behind := ""
	if r.Behind > 0 {
		behind = fmt.Sprintf("%d operations behind", r.Behind)
	}
	heard := ""
	if r.Since > 0 {
		heard = fmt.Sprintf("last heard %v ago", r.Since.Round(time.Second))
	}
	parts := []string{"", heard, behind}
	switch {
	case r.Leader:
		return "leader"
	case r.Offline:
		parts[0] = "offline"
	case r.Silent && r.Since == 0:
		parts[0] = "not heard by the leader yet"
	case r.Silent:
		parts[0] = "silent"
	case r.Current:
		return "current"
	case r.Behind == 0:
		return "behind"
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
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
			status.Replicas = append(status.Replicas, replicaOf(r))
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
		case r.Silent:
			return fmt.Errorf("the leader of the stream %s does not hear the server %s", s.Name, r.Name)
		case !r.Current:
			return fmt.Errorf("the server %s is %d operations behind with the stream %s", r.Name, r.Behind, s.Name)
		}
	}
	if len(s.Replicas) < s.Wanted {
		return fmt.Errorf("%d servers keep the stream %s, and %d should", len(s.Replicas), s.Name, s.Wanted)
	}
	return nil
}
