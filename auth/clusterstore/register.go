package clusterstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// A register is the state of compaction. The newest one counts, and the stream keeps no other. Each is
// written only if its writer knows the one before it.
type register struct {
	Log      string    `json:"log"`                // ID of the stream's content
	Snapshot *snapshot `json:"snapshot,omitempty"` // of the last compaction
	Claim    *claim    `json:"claim,omitempty"`    // by the store that compacts now
}

// A snapshot is the lines of a compaction. They have the effect of all lines up to a position.
type snapshot struct {
	ID      string `json:"id"`      // ends the subject of its messages
	Through uint64 `json:"through"` // the position
	Anchor  uint64 `json:"anchor"`  // the last change up to the position; it is never deleted
	Chunks  int    `json:"chunks"`  // messages
	Lines   int    `json:"lines"`
}

// A claim says who compacts.
type claim struct {
	ID   string `json:"id"` // of the next snapshot
	Node string `json:"node"`
}

// openRegister writes the first register, unless there is one.
func (s *Store) openRegister(ctx context.Context) error {
	k, err := s.last(ctx, s.register)
	if err != nil || k.Message.Seq != 0 {
		return err
	}
	_, err = s.writeRegister(ctx, &register{Log: newID()}, 0)
	if code(err) == codeWrongLast { // another node was first
		return nil
	}
	return err
}

// loadRegister returns the register and its sequence.
func (s *Store) loadRegister(ctx context.Context) (*register, uint64, error) {
	k, err := s.last(ctx, s.register)
	if err != nil {
		return nil, 0, err
	}
	if k.Message.Seq == 0 {
		return nil, 0, fmt.Errorf("the stream %s has no message on %s: it was purged. Restore it from a backup", s.stream, s.register)
	}
	r, err := s.decodeRegister(k.Message.Data)
	return r, k.Message.Seq, err
}

func (s *Store) decodeRegister(data []byte) (*register, error) {
	r := new(register)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("the message on %s cannot be read: %w", s.register, err)
	}
	if s.logID != "" && r.Log != s.logID {
		return nil, s.replaced("it begins with another message")
	}
	return r, nil
}

// takeRegister reads a register of the log.
func (s *Store) takeRegister(data []byte, seq uint64) error {
	if seq <= s.registered {
		return nil
	}
	r, err := s.decodeRegister(data)
	if err != nil {
		return err
	}
	if c := r.Snapshot; c != nil && (s.compaction.Snapshot == nil || c.ID != s.compaction.Snapshot.ID) {
		s.tail = 0
	}
	s.setRegister(r, seq)
	return nil
}

func (s *Store) setRegister(r *register, seq uint64) {
	s.compaction, s.registered, s.claimSeen = *r, seq, time.Now()
}

// writeRegister replaces the register with the sequence after.
func (s *Store) writeRegister(ctx context.Context, r *register, after uint64) (uint64, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	m := &nats.Msg{Subject: s.register, Data: data, Header: nats.Header{}}
	m.Header.Set(nats.MsgRollup, nats.MsgRollupSubject)
	return s.publish(ctx, m, after)
}
