package clusterstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/auth"
)

const (
	// headRoom is the space that the headers of a message need at most.
	headRoom = 4 << 10

	// maxParts is the maximum number of messages in one batch of NATS.
	maxParts = 1000
)

// Append implements [auth.Store]. One call makes one message, or one batch of NATS if the lines do not
// fit into a message.
func (s *Store) Append(ctx context.Context, after uint64, lines ...[]byte) (uint64, error) {
	if err := s.failure(); err != nil {
		return 0, err
	}
	if after != s.position {
		return 0, fmt.Errorf("the position %d is not the one that was read: %w", after, auth.ErrConflict)
	}
	if err := s.room(); err != nil {
		return 0, err
	}
	messages, err := s.messages(lines)
	if err != nil {
		return 0, err
	}
	var seq uint64
	if len(messages) == 1 {
		seq, err = s.publish(ctx, messages[0], s.lastChange)
	} else {
		seq, err = s.publishBatch(ctx, messages, s.lastChange)
	}
	if code(err) == codeWrongLast || code(err) == codeBatchDuplicate {
		s.conflict = true
		return 0, fmt.Errorf("append to the stream %s: %w", s.stream, auth.ErrConflict)
	}
	if err != nil {
		return 0, fmt.Errorf("append to the stream %s of tokens, keys and revocations: %w", s.stream, err)
	}
	s.lastChange, s.position = seq, seq
	s.tail += len(lines)
	for _, m := range messages {
		s.size.Add(int64(m.Size()))
	}
	return seq, nil
}

// messages returns the messages of one change.
func (s *Store) messages(lines [][]byte) ([]*nats.Msg, error) {
	groups, err := s.pack(lines)
	if err != nil {
		return nil, err
	}
	if len(groups) > maxParts {
		return nil, fmt.Errorf("a change has %d messages and %d are the most: raise max_payload of the NATS servers", len(groups), maxParts)
	}
	messages := make([]*nats.Msg, len(groups))
	for i, data := range groups {
		m := &nats.Msg{Subject: s.change, Data: data, Header: nats.Header{}}
		m.Header.Set(storeHeader, s.id)
		m.Header.Set(afterHeader, strconv.FormatUint(s.lastChange, 10))
		if len(groups) > 1 {
			m.Header.Set(partHeader, fmt.Sprintf("%d/%d", i+1, len(groups)))
		}
		messages[i] = m
	}
	return messages, nil
}

// pack joins lines into as few payloads as possible.
func (s *Store) pack(lines [][]byte) ([][]byte, error) {
	most := int(s.nc.MaxPayload()) - headRoom
	var groups [][]byte
	var group []byte
	for _, l := range lines {
		if len(l) > most {
			return nil, fmt.Errorf("a line has %d bytes, and the NATS servers take %d: raise their max_payload", len(l), most)
		}
		if len(group) > 0 && len(group)+1+len(l) > most {
			groups, group = append(groups, group), nil
		}
		if len(group) > 0 {
			group = append(group, '\n')
		}
		group = append(group, l...)
	}
	return append(groups, group), nil
}

// publishBatch is publish for several messages, all or none. It returns the sequence of the last one.
func (s *Store) publishBatch(ctx context.Context, messages []*nats.Msg, after uint64) (uint64, error) {
	sent := make(map[string]bool) // IDs of batches; one that is repeated needs another ID
	stored := func(k *kept) uint64 {
		if sent[k.header().Get(batchHeader)] {
			return k.Message.Seq + uint64(len(messages)) - 1
		}
		return 0
	}
	messages[0].Header.Set(nats.ExpectedLastSubjSeqHdr, strconv.FormatUint(after, 10))
	return s.store(ctx, s.change, after, stored, func(ctx context.Context) (uint64, error) {
		id := newID()
		sent[id] = true
		for i, m := range messages {
			m.Header.Set(batchHeader, id)
			m.Header.Set(batchSeq, strconv.Itoa(i+1))
		}
		if err := s.first(ctx, messages[0]); err != nil {
			return 0, err
		}
		last := len(messages) - 1
		for _, m := range messages[1:last] {
			if err := s.nc.PublishMsg(m); err != nil {
				return 0, err
			}
		}
		messages[last].Header.Set(batchCommit, "1")
		var ack struct {
			Seq uint64 `json:"seq"`
		}
		err := s.request(ctx, messages[last], &ack)
		return ack.Seq, err
	})
}

// first sends the first message of a batch. NATS answers with nothing, or an error.
func (s *Store) first(ctx context.Context, m *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	reply, err := s.nc.RequestMsgWithContext(ctx, m)
	if err != nil || len(bytes.TrimSpace(reply.Data)) == 0 {
		return err
	}
	var failure struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &failure); err != nil {
		return fmt.Errorf("the answer to a batch cannot be read: %w", err)
	}
	if failure.Error != nil {
		return failure.Error
	}
	return nil
}

// Note implements [auth.Store].
func (s *Store) Note(_ context.Context, lines ...[]byte) error {
	if err := errors.Join(s.failure(), s.room()); err != nil {
		return err
	}
	groups, err := s.pack(lines)
	if err != nil {
		return err
	}
	for _, data := range groups {
		if err := s.nc.Publish(s.note, data); err != nil {
			return fmt.Errorf("write to the stream %s: %w", s.stream, err)
		}
	}
	return nil
}
