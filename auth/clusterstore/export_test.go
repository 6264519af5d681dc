package clusterstore

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// Hurry makes the store compact after a number of lines, without a pause, and write small messages.
// Claims of other stores live as long as given.
func (s *Store) Hurry(lines int, claimLife time.Duration) {
	s.pace = pace{slack: lines, claimLife: claimLife, chunkBytes: 4}
}

// WithoutMarks returns the options of a store that writes a mark only when it reads everything.
func (o Options) WithoutMarks() Options {
	o.marks = make(chan time.Time)
	return o
}

// LargeMessages makes the store write large messages again.
func (s *Store) LargeMessages() { s.pace.chunkBytes = chunkBytes }

// Raise makes the store believe that there is a message with the sequence.
func (s *Store) Raise(seq uint64) { s.raise(seq) }

// Conn returns the connection of the store.
func (s *Store) Conn() *nats.Conn { return s.nc }

// Stream returns the name of the stream.
func (s *Store) Stream() string { return s.stream }

// Subjects returns the number of messages of each subject.
func (s *Store) Subjects(ctx context.Context) (map[string]uint64, error) {
	var found info
	err := s.ask(ctx, readFor, "STREAM.INFO", map[string]string{"subjects_filter": ">"}, &found)
	return found.State.Subjects, err
}

// CompactAndCrash compacts up to the moment at which the new lines count.
func (s *Store) CompactAndCrash(ctx context.Context, lines func(write func(line []byte) error) error) (done bool, err error) {
	return s.due().write(ctx, lines)
}
