package clusterstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/auth"
)

const (
	// slack is the minimum number of lines after the last compaction before the next one.
	slack = 10_000

	// fullSlack is the same if the stream is full.
	fullSlack = 100

	// claimLife is how long a node waits for another one that compacts. It must be longer than a
	// compaction usually takes. If it is too short, work is lost, but no line.
	claimLife = 2 * time.Minute

	// compactPause is the pause after a compaction before this node tries again.
	compactPause = time.Minute

	// chunkBytes is the size of a message with compacted lines.
	chunkBytes = 512 << 10
)

// A pace sets how often a store compacts.
type pace struct {
	slack      int
	claimLife  time.Duration
	pause      time.Duration
	chunkBytes int
}

func usualPace() pace { return pace{slack, claimLife, compactPause, chunkBytes} }

// Compaction implements [auth.Compactor]. A compaction is due when as many lines were added as the
// last one has written: then the stream never has more than twice the lines that are needed, beside
// the slack, and each line is written again only a few times.
func (s *Store) Compaction() func(ctx context.Context, lines func(write func(line []byte) error) error) error {
	if c := s.due(); c != nil {
		return c.run
	}
	return nil
}

// due returns a compaction, or nil if none is due.
func (s *Store) due() *compaction {
	due := s.pace.slack
	if c := s.compaction.Snapshot; c != nil {
		due += c.Lines
	}
	if s.room() != nil {
		due = min(due, fullSlack)
	}
	now := time.Now()
	if s.tail < due || s.position == 0 || now.Before(s.compactAt) || s.failure() != nil {
		return nil
	}
	if s.compaction.Claim != nil && now.Sub(s.claimSeen) < s.pace.claimLife {
		return nil
	}
	s.compactAt = now.Add(s.pace.pause)
	return &compaction{
		store: s, before: s.compaction, registered: s.registered,
		next: snapshot{ID: newID(), Through: s.position, Anchor: s.lastChange},
	}
}

// A compaction is one attempt to replace lines.
type compaction struct {
	store      *Store
	before     register // that is replaced
	registered uint64   // its sequence
	next       snapshot

	chunk []byte // lines that are not written yet
	last  uint64 // sequence of the last chunk
}

// run writes the lines, makes them count, and deletes the old ones.
func (c *compaction) run(ctx context.Context, lines func(write func(line []byte) error) error) error {
	if done, err := c.write(ctx, lines); err != nil || !done {
		return err
	}
	return c.deleteReplaced(ctx)
}

// write claims the compaction, writes the lines, and makes them count. Until then nothing has changed
// for readers. It returns false if another node compacts.
func (c *compaction) write(ctx context.Context, lines func(write func(line []byte) error) error) (done bool, err error) {
	s := c.store
	r := register{Log: c.before.Log, Snapshot: c.before.Snapshot, Claim: &claim{ID: c.next.ID, Node: s.options.Servers.Node}}
	claimed, err := s.writeRegister(ctx, &r, c.registered)
	if code(err) == codeWrongLast {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("claim the compaction of the stream %s: %w", s.stream, err)
	}
	if err := s.deleteOldChunks(ctx, &r); err != nil {
		return false, err
	}
	err = lines(func(line []byte) error {
		c.next.Lines++
		return c.add(ctx, line)
	})
	if err == nil {
		err = c.flush(ctx)
	}
	if err == nil {
		_, err = s.writeRegister(ctx, &register{Log: r.Log, Snapshot: &c.next}, claimed)
	}
	switch {
	case code(err) == codeWrongLast:
		err = fmt.Errorf("another node has compacted the stream %s meanwhile", s.stream)
		return false, errors.Join(err, s.purge(ctx, s.chunks+"."+c.next.ID, 0))
	case err != nil: // the lines may count; the next compaction deletes them if they do not
		return false, fmt.Errorf("compact the stream %s: %w", s.stream, err)
	}
	return true, nil
}

// deleteReplaced deletes the lines that no reader needs any more.
func (c *compaction) deleteReplaced(ctx context.Context) error {
	s := c.store
	err := errors.Join(s.purge(ctx, s.change, c.next.Anchor), s.purge(ctx, s.note, c.next.Through+1), s.measure(ctx))
	if err != nil {
		return fmt.Errorf("delete the compacted lines of the stream %s: %w", s.stream, err)
	}
	s.options.Logger.Info("the stream of tokens, keys and revocations was compacted", "stream", s.stream, "lines", c.next.Lines, "bytes", s.size.Load())
	return nil
}

// add adds a line to the chunk.
func (c *compaction) add(ctx context.Context, line []byte) error {
	if most := min(c.store.pace.chunkBytes, int(c.store.nc.MaxPayload())-headRoom); len(c.chunk) > 0 && len(c.chunk)+1+len(line) > most {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	if len(c.chunk) > 0 {
		c.chunk = append(c.chunk, '\n')
	}
	c.chunk = append(c.chunk, line...)
	return nil
}

// flush writes the chunk.
func (c *compaction) flush(ctx context.Context) error {
	if len(c.chunk) == 0 {
		return nil
	}
	m := &nats.Msg{Subject: c.store.chunks + "." + c.next.ID, Data: c.chunk, Header: nats.Header{}}
	seq, err := c.store.publish(ctx, m, c.last)
	if err != nil {
		return fmt.Errorf("write compacted lines: %w", err)
	}
	c.last, c.chunk = seq, nil
	c.next.Chunks++
	return nil
}

// deleteOldChunks deletes the lines of compactions that do not count, because they were replaced or not
// completed. Only the store with the claim may do so.
func (s *Store) deleteOldChunks(ctx context.Context, r *register) error {
	var found info
	question := map[string]string{"subjects_filter": s.chunks + ".*"}
	if err := s.ask(ctx, writeFor, "STREAM.INFO", question, &found); err != nil {
		return err
	}
	for subject := range found.State.Subjects {
		id := strings.TrimPrefix(subject, s.chunks+".")
		if id == r.Claim.ID || r.Snapshot != nil && id == r.Snapshot.ID {
			continue
		}
		if err := s.purge(ctx, subject, 0); err != nil {
			return err
		}
	}
	return nil
}

// purge deletes the messages of a subject before a sequence, or all of them if that is 0.
func (s *Store) purge(ctx context.Context, subject string, before uint64) error {
	question := struct {
		Filter string `json:"filter"`
		Seq    uint64 `json:"seq,omitempty"`
	}{subject, before}
	return s.ask(ctx, writeFor, "STREAM.PURGE", question, nil)
}

// readChunks applies the lines of a compaction. If they are not complete because a later compaction has
// deleted them, the error is [auth.ErrCompacted].
func (s *Store) readChunks(ctx context.Context, c *snapshot, apply func(line []byte) error) error {
	chunks, lines, from := 0, 0, uint64(1)
	counted := func(line []byte) error {
		lines++
		return apply(line)
	}
	for chunks < c.Chunks {
		err := repeat(ctx, readFor, func(ctx context.Context) (bool, error) {
			before := chunks
			failed, err := s.direct(ctx, s.chunks+"."+c.ID, from, func(m *nats.Msg) error {
				chunks, from = chunks+1, sequence(m.Header, seqHeader)+1
				return s.takeLines(m.Data, counted)
			})
			switch {
			case failed != nil:
				return true, failed
			case chunks > before:
				return true, nil
			case s.compactedAgain(ctx, c):
				return true, auth.ErrCompacted
			}
			return false, err
		})
		if err != nil {
			return fmt.Errorf("read the compacted lines of the stream %s: %w", s.stream, err)
		}
	}
	switch {
	case chunks == c.Chunks && lines == c.Lines:
		s.tail = 0
		return nil
	case s.compactedAgain(ctx, c):
		return fmt.Errorf("read the compacted lines of the stream %s: %w", s.stream, auth.ErrCompacted)
	}
	return fmt.Errorf("the stream %s has %d of %d messages and %d of %d lines of its last compaction: restore it from a backup",
		s.stream, chunks, c.Chunks, lines, c.Lines)
}

// compactedAgain reports whether there was another compaction after one.
func (s *Store) compactedAgain(ctx context.Context, c *snapshot) bool {
	r, _, err := s.loadRegister(ctx)
	return err == nil && (r.Snapshot == nil || r.Snapshot.ID != c.ID)
}
