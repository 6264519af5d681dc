package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
)

// This file has a [Store] in memory that several authorities share.

// A sharedLog is a log that several stores share. Its positions are not consecutive.
type sharedLog struct {
	mu       sync.Mutex
	through  uint64        // the position of the last line that was compacted
	replaced [][]byte      // the lines in place of those up to it
	lines    [][]byte      // after it
	added    chan struct{} // closed when lines are added
}

const positionStep = 7

func (l *sharedLog) last() uint64 { return l.through + positionStep*uint64(len(l.lines)) }

func (l *sharedLog) add(lines [][]byte) {
	for _, text := range lines {
		l.lines = append(l.lines, bytes.Clone(text))
	}
	close(l.added)
	l.added = make(chan struct{})
}

// NewSharedLog returns a function that opens stores on one log. It is for tests outside of the package.
func NewSharedLog() func() Store {
	log := &sharedLog{added: make(chan struct{})}
	return func() Store { return &sharedStore{log: log} }
}

// A sharedStore is the [Store] of one authority.
type sharedStore struct {
	log    *sharedLog
	closed bool

	before func()       // called once before the next Append
	fail   func() error // called after an Append whose lines are kept; its error is returned
	down   error        // of every call, if not nil; guarded by the log's mu
	cutOff error        // of Current; guarded by the log's mu
	deaf   bool         // Wait does not return; guarded by the log's mu
	reads  int          // calls of Replay; guarded by the log's mu
	due    bool         // the next Compaction is
	at     uint64       // the position that was read or appended last
}

func (s *sharedStore) Replay(_ context.Context, after uint64, apply func([]byte) error) (uint64, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.reads++
	if s.down != nil {
		return after, s.down
	}
	defer func() { s.at = after }()
	pass := func(line []byte) error {
		text := bytes.Clone(line)
		defer clear(text) // it is valid until apply returns
		if err := apply(text); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		return nil
	}
	switch {
	case after == 0:
		for _, l := range s.log.replaced {
			if err := pass(l); err != nil {
				return 0, err
			}
		}
		after = s.log.through
	case after < s.log.through:
		return after, fmt.Errorf("replay: %w", ErrCompacted)
	}
	for after < s.log.last() {
		if err := pass(s.log.lines[(after-s.log.through)/positionStep]); err != nil {
			return after, err
		}
		after += positionStep
	}
	return after, nil
}

// Compaction implements [Compactor].
func (s *sharedStore) Compaction() func(context.Context, func(func([]byte) error) error) error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if !s.due {
		return nil
	}
	s.due = false
	at := s.at
	return func(_ context.Context, lines func(func([]byte) error) error) error {
		var all [][]byte
		if err := lines(func(l []byte) error { all = append(all, bytes.Clone(l)); return nil }); err != nil {
			return err
		}
		s.log.mu.Lock()
		defer s.log.mu.Unlock()
		s.log.lines = s.log.lines[(at-s.log.through)/positionStep:]
		s.log.through, s.log.replaced = at, all
		return nil
	}
}

// Current implements [Fence].
func (s *sharedStore) Current() error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.cutOff
}

func (s *sharedStore) Wait(ctx context.Context, after uint64) error {
	for {
		s.log.mu.Lock()
		last, added, deaf := s.log.last(), s.log.added, s.deaf
		s.log.mu.Unlock()
		if last > after && !deaf {
			return nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *sharedStore) Append(_ context.Context, after uint64, lines ...[]byte) (uint64, error) {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	switch {
	case s.down != nil:
		return 0, s.down
	case after != s.log.last():
		return 0, fmt.Errorf("append: %w", ErrConflict)
	}
	s.log.add(lines)
	if fail := s.fail; fail != nil {
		s.fail = nil
		if err := fail(); err != nil {
			return 0, err
		}
	}
	s.at = s.log.last()
	return s.at, nil
}

func (s *sharedStore) Note(_ context.Context, lines ...[]byte) error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.add(lines)
	return nil
}

func (s *sharedStore) Ready() error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.down
}

// compact makes the next call of Compaction compact, and causes it.
func (n *node) compact(t *testing.T) {
	t.Helper()
	log := n.store.log
	log.mu.Lock()
	n.store.due = true
	before := log.through
	log.mu.Unlock()
	other := &sharedStore{log: log}
	if err := other.Note(t.Context(), []byte(`{"op":"used","id":"none"}`)); err != nil { // wakes the authority
		t.Fatal(err)
	}
	synctest.Wait()
	log.mu.Lock()
	defer log.mu.Unlock()
	if log.through <= before {
		t.Fatal("the store was not compacted")
	}
}

// deafen makes the store say nothing about new lines, as if the message of it were late.
func (s *sharedStore) deafen() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.deaf = true
}

// replayed returns how often the store was read.
func (s *sharedStore) replayed() int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.reads
}

// goDown makes every call fail with the error, or succeed again if it is nil.
func (s *sharedStore) goDown(err error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.down = err
}

func (s *sharedStore) Close() error {
	if s.closed {
		return errors.New("closed twice")
	}
	s.closed = true
	return nil
}

// A node is an authority with the sessions on its server.
type node struct {
	*Authority
	store *sharedStore

	mu       sync.Mutex
	sessions []*access.Grant
	events   []string
}

func (n *node) RevokeSessions(match func(*access.Grant) bool, grace time.Duration) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	cut := 0
	n.sessions = slices.DeleteFunc(n.sessions, func(g *access.Grant) bool {
		if match(g) {
			cut++
			n.events = append(n.events, fmt.Sprintf("%s is cut, with a grace of %v", g.User, grace))
			return grace == 0
		}
		return false
	})
	return cut
}

func (n *node) Regrant(g *access.Grant) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, fmt.Sprintf("%s is regranted %s", g.User, AppendRules(nil, g.Permissions)))
	changed := 0
	for i, old := range n.sessions {
		if old.TokenID == g.TokenID {
			n.sessions[i] = g
			changed++
		}
	}
	return changed
}

// took returns the events since the last call.
func (n *node) took() []string {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	events := n.events
	n.events = nil
	return events
}

var _ Sessions = (*boreas.Hub)(nil)

func newNode(t *testing.T, log *sharedLog, o Options) *node {
	t.Helper()
	n := &node{store: &sharedStore{log: log}}
	o.Store = n.store
	n.Authority = open(t, o)
	n.Attach(n)
	return n
}
