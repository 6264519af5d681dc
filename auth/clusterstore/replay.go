package clusterstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/auth"
)

// A part is one message of a change of several.
type part struct{ lines []byte }

// Replay implements [auth.Store]. It reads at least what was acknowledged before the call.
func (s *Store) Replay(ctx context.Context, after uint64, apply func(line []byte) error) (uint64, error) {
	if err := s.failure(); err != nil {
		return after, err
	}
	if after == 0 {
		return s.begin(ctx, apply)
	}
	if after != s.position {
		return after, fmt.Errorf("the position %d is not the one that was read last: %w", after, auth.ErrCompacted)
	}
	target, err := s.lastAcknowledged(ctx)
	if err == nil {
		err = s.prove(ctx, target)
	}
	if err == nil {
		err = s.read(ctx, target.seq, apply)
	}
	return s.position, err
}

// A goal is what must be read now.
type goal struct {
	seq    uint64 // of the last message
	change *kept  // the last change
}

// lastAcknowledged returns what must be read now.
func (s *Store) lastAcknowledged(ctx context.Context) (goal, error) {
	need := s.lastChange
	if s.conflict {
		need++
	}
	var change *kept
	var seq uint64
	err := repeat(ctx, readFor, func(ctx context.Context) (_ bool, err error) {
		if change, err = s.last(ctx, s.change); err != nil {
			return true, err
		}
		if seq = change.Message.Seq; seq >= need {
			return true, nil
		}
		// A leader that was just elected, or does not know yet that it is none, answers so.
		return false, fmt.Errorf("the stream %s ends at %d, before the change %d: its leader is behind, or it was replaced by an older copy", s.stream, seq, need)
	})
	if err != nil {
		if s.conflict && seq == s.lastChange {
			s.conflict = false // the other change was lost
			err = nil
		}
		return goal{seq, change}, err
	}
	s.conflict = false
	s.mu.Lock()
	defer s.mu.Unlock()
	return goal{max(seq, s.target), change}, nil
}

// A place is a change: its sequence, and the ID of its message, which no other message has. The ID is ""
// if it is not known.
type place struct {
	seq uint64
	id  string
}

// changeID returns the ID of a message of a change.
func changeID(h nats.Header) string { return cmp.Or(h.Get(nats.MsgIdHdr), h.Get(batchHeader)) }

// prove makes the store fail if the stream does not have the last change that was read. The stream may
// have lost its end, as after a power failure, and have grown since beyond all that was read. Then the
// changes that took the place of the lost ones would never be read.
func (s *Store) prove(ctx context.Context, target goal) error {
	if s.lastRead.seq == 0 {
		return nil
	}
	k := target.change
	if k.Message.Seq != s.lastRead.seq {
		var err error
		if k, err = s.next(ctx, s.lastRead.seq, s.change); err != nil {
			return err
		}
	}
	h := k.header()
	switch after := sequence(h, afterHeader); {
	case k.Message.Seq == 0:
		return fmt.Errorf("the stream %s has no change from %d on: its leader is behind, or it was replaced by an older copy", s.stream, s.lastRead.seq)
	case k.Message.Seq > s.lastRead.seq && after < s.lastRead.seq:
		return s.replaced(fmt.Sprintf("the change %d follows %d, and this node has read %d", k.Message.Seq, after, s.lastRead.seq))
	case k.Message.Seq > s.lastRead.seq:
		return nil // a compaction has deleted it
	case s.lastRead.id == "":
		s.lastRead.id = changeID(h)
	case s.lastRead.id != changeID(h):
		return s.replaced(fmt.Sprintf("it has another change %d than this node has read", s.lastRead.seq))
	}
	return nil
}

// begin reads everything.
func (s *Store) begin(ctx context.Context, apply func(line []byte) error) (uint64, error) {
	var target uint64
	err := repeat(ctx, writeFor, func(ctx context.Context) (done bool, err error) {
		target, err = s.mark(ctx)
		return err == nil || !passing(err), err
	})
	if err != nil {
		return 0, err
	}
	r, seq, err := s.loadRegister(ctx)
	if err != nil {
		return 0, err
	}
	s.logID = r.Log
	s.position, s.lastChange, s.lastRead, s.parts, s.tail, s.conflict = 0, 0, place{}, nil, 0, false
	s.at(0)
	if c := r.Snapshot; c != nil {
		if err := s.readChunks(ctx, c, apply); err != nil {
			return 0, err
		}
		s.position, s.lastChange, s.lastRead = c.Through, c.Anchor, place{seq: c.Anchor}
		s.at(c.Through)
	}
	s.setRegister(r, seq)
	err = s.read(ctx, target, apply)
	return s.position, err
}

// read reads the log up to a target.
func (s *Store) read(ctx context.Context, target uint64, apply func(line []byte) error) error {
	var err error
	for err == nil && s.cursorNow() < target {
		err = repeat(ctx, readFor, func(ctx context.Context) (bool, error) {
			from := s.cursorNow()
			failed, err := s.direct(ctx, s.log+".>", from+1, func(m *nats.Msg) error { return s.take(m, apply) })
			switch {
			case failed != nil:
				return true, failed
			case s.cursorNow() > from:
				return true, nil
			case err != nil:
				return false, err
			}
			return false, fmt.Errorf("no NATS server returns the message %d of the stream %s: the servers are behind", target, s.stream)
		})
	}
	if errors.Is(err, errGap) {
		s.parts = nil
		s.at(min(s.cursorNow(), s.lastChange)) // the messages that were dropped are read again
		r, _, loadErr := s.loadRegister(ctx)
		if loadErr == nil && r.Snapshot != nil && r.Snapshot.Through > s.position {
			return fmt.Errorf("read the stream %s: %w", s.stream, auth.ErrCompacted)
		}
		err = errors.Join(fmt.Errorf("the stream %s lacks changes after %d: a server is behind, or messages were deleted: %w", s.stream, s.lastChange, err), loadErr)
	}
	return err
}

func (s *Store) cursorNow() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursor
}

// take reads one message of the log.
func (s *Store) take(m *nats.Msg, apply func(line []byte) error) error {
	seq := sequence(m.Header, seqHeader)
	var err error
	switch m.Header.Get(subjectHeader) {
	case s.change:
		err = s.takeChange(m, seq, apply)
	case s.note:
		if err = s.takeLines(m.Data, apply); err == nil {
			s.position = max(s.position, seq)
		}
	case s.register:
		err = s.takeRegister(m.Data, seq)
	}
	if err == nil {
		s.at(seq)
	}
	return err
}

// takeChange reads a message of a change. The change that it names must be the last one that was read.
func (s *Store) takeChange(m *nats.Msg, seq uint64, apply func(line []byte) error) error {
	if seq <= s.lastChange { // Append has added it
		if m.Header.Get(storeHeader) != s.id {
			return s.replaced(fmt.Sprintf("it has the change %d of another node in place of one of this node", seq))
		}
		s.lastRead = place{seq, changeID(m.Header)}
		return nil
	}
	after := sequence(m.Header, afterHeader)
	number, count := 1, 1
	if text := m.Header.Get(partHeader); text != "" {
		if n, err := fmt.Sscanf(text, "%d/%d", &number, &count); n != 2 || number < 1 || number > count {
			return fmt.Errorf("the message %d of the stream %s has a wrong header: %w", seq, s.stream, errors.Join(err, errGap))
		}
	}
	switch {
	case after < s.lastChange:
		return s.replaced(fmt.Sprintf("the change %d follows %d, and this node has read %d", seq, after, s.lastChange))
	case after > s.lastChange || number != len(s.parts)+1:
		return errGap
	}
	s.parts = append(s.parts, &part{m.Data})
	if number < count {
		return nil
	}
	for _, p := range s.parts {
		if err := s.takeLines(p.lines, apply); err != nil {
			return err
		}
	}
	s.parts = nil
	s.lastChange, s.lastRead, s.position = seq, place{seq, changeID(m.Header)}, max(s.position, seq)
	return nil
}

// takeLines applies the lines of a message.
func (s *Store) takeLines(data []byte, apply func(line []byte) error) error {
	for l := range bytes.SplitSeq(data, []byte("\n")) {
		if err := apply(l); err != nil {
			return fmt.Errorf("a line of the stream %s: %w", s.stream, err)
		}
		s.tail++
	}
	return nil
}
