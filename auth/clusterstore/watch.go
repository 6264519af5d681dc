package clusterstore

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// This file is about noticing changes of other nodes, and about the proof that none was missed.

const (
	// markEvery is the interval of marks. Changes of which NATS could not tell are found with the next
	// mark.
	markEvery = time.Second

	// measureEvery is the number of marks between two measurements of the stream.
	measureEvery = 10
)

// A proof is a mark that this node has written. A node that has read its own mark has read all changes
// that were acknowledged before the mark was sent.
type proof struct {
	seq  uint64
	sent time.Time
}

// watch writes marks until ctx is done.
func (s *Store) watch(ctx context.Context) {
	moments := s.options.marks
	if moments == nil {
		ticker := time.NewTicker(markEvery)
		defer ticker.Stop()
		moments = ticker.C
	}
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-moments:
		}
		_, err := s.mark(ctx)
		if err == nil && n%measureEvery == 0 {
			err = s.measure(ctx)
		}
		if ctx.Err() == nil {
			s.tell(err)
		}
	}
}

// tell keeps the error of the last mark, and logs when marks begin to fail and when they succeed again.
func (s *Store) tell(err error) {
	s.mu.Lock()
	before := s.trouble
	s.trouble = err
	s.mu.Unlock()
	switch {
	case before == nil && err != nil:
		s.options.Logger.Warn("the store of tokens, keys and revocations does not answer", "stream", s.stream, "error", err)
	case before != nil && err == nil:
		s.options.Logger.Info("the store of tokens, keys and revocations answers again", "stream", s.stream)
	}
}

// mark writes a mark of this node in place of its last one, and returns its sequence.
func (s *Store) mark(ctx context.Context) (uint64, error) {
	m := &nats.Msg{Subject: s.marks, Header: nats.Header{}}
	m.Header.Set(nats.MsgRollup, nats.MsgRollupSubject)
	sent := time.Now()
	var ack struct {
		Seq uint64 `json:"seq"`
	}
	err := s.request(ctx, m, &ack)
	if err != nil {
		return 0, fmt.Errorf("write to the stream %s: %w", s.stream, s.explain(ctx, err))
	}
	s.mu.Lock()
	if s.proof.seq <= s.cursor {
		s.proof = proof{ack.Seq, sent}
	}
	s.mu.Unlock()
	s.raise(ack.Seq)
	return ack.Seq, nil
}

// raise notes that there is a message with the sequence.
func (s *Store) raise(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq <= s.target {
		return
	}
	s.target = seq
	close(s.raised)
	s.raised = make(chan struct{})
}

// Wait implements [auth.Store].
func (s *Store) Wait(ctx context.Context, _ uint64) error {
	for {
		s.mu.Lock()
		news, raised, broken := s.target > s.cursor, s.raised, s.broken
		s.mu.Unlock()
		switch {
		case broken != nil:
			return broken
		case news:
			return nil
		}
		select {
		case <-raised:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// at notes that all messages up to the sequence were read.
func (s *Store) at(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = seq
	if seq >= s.proof.seq && s.proof.sent.After(s.confirmed) {
		s.confirmed = s.proof.sent
	}
}
