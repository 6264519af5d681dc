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

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
)

// This file has a [Store] in memory that several authorities share.

// A sharedLog is a log that several stores share. Its positions are not consecutive.
type sharedLog struct {
	mu    sync.Mutex
	lines [][]byte
	added chan struct{} // closed when lines are added
}

const positionStep = 7

func (l *sharedLog) last() uint64 { return positionStep * uint64(len(l.lines)) }

func (l *sharedLog) add(lines [][]byte) {
	for _, text := range lines {
		l.lines = append(l.lines, bytes.Clone(text))
	}
	close(l.added)
	l.added = make(chan struct{})
}

// A sharedStore is the [Store] of one authority.
type sharedStore struct {
	log    *sharedLog
	closed bool

	before func()       // called once before the next Append
	fail   func() error // called after an Append whose lines are kept; its error is returned
	down   error        // of every call, if not nil; guarded by the log's mu
}

func (s *sharedStore) Replay(_ context.Context, after uint64, apply func([]byte) error) (uint64, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.down != nil {
		return after, s.down
	}
	for after < s.log.last() {
		text := bytes.Clone(s.log.lines[after/positionStep])
		if err := apply(text); err != nil {
			return after, fmt.Errorf("replay: %w", err)
		}
		clear(text) // it is valid until apply returns
		after += positionStep
	}
	return after, nil
}

func (s *sharedStore) Wait(ctx context.Context, after uint64) error {
	for {
		s.log.mu.Lock()
		last, added := s.log.last(), s.log.added
		s.log.mu.Unlock()
		if last > after {
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
	return s.log.last(), nil
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
	before := len(n.sessions)
	n.sessions = slices.DeleteFunc(n.sessions, func(g *access.Grant) bool {
		if match(g) {
			n.events = append(n.events, fmt.Sprintf("%s is cut, with a grace of %v", g.User, grace))
			return true
		}
		return false
	})
	return before - len(n.sessions)
}

func (n *node) Regrant(g *access.Grant) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, fmt.Sprintf("%s is regranted %s", g.User, AppendRules(nil, g.Permissions)))
	for i, old := range n.sessions {
		if old.TokenID == g.TokenID {
			n.sessions[i] = g
		}
	}
	return 1
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
