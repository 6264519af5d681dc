package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// This file has a cluster of nodes in memory.

// cluster joins nodes.
type cluster struct {
	mu    sync.Mutex
	nodes map[string]*clusterNode
}

// A clusterNode is a node, and the [api.Nodes] that it sees.
type clusterNode struct {
	*rig
	cluster *cluster
	name    string
	log     *sharedLog
	tail    *tail.Log

	// Guarded by cluster.mu.
	handlers map[string]func(context.Context, []byte) []byte
	lost     []string
	silent   bool                                    // it does not answer
	late     bool                                    // it carries out requests, but its answers come too late
	spoils   func(kind string, answer []byte) []byte // changes its answers; nil for none
}

func (n *clusterNode) Names() []string {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(n.cluster.nodes)), func(name string) bool { return name == n.name })
}

func (n *clusterNode) Handle(kind string, answer func(context.Context, []byte) []byte) {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	if n.handlers[kind] != nil {
		n.t.Errorf("two handlers of %q", kind)
	}
	n.handlers[kind] = answer
}

func (n *clusterNode) Ask(ctx context.Context, kind string, question []byte) (answers map[string][]byte, silent []string) {
	answers = make(map[string][]byte)
	for _, name := range n.Names() {
		if text := n.cluster.nodes[name].answer(ctx, kind, question); text != nil {
			answers[name] = text
		} else {
			silent = append(silent, name)
		}
	}
	return answers, silent
}

func (n *clusterNode) answer(ctx context.Context, kind string, question []byte) []byte {
	n.cluster.mu.Lock()
	handler, silent, late, spoils := n.handlers[kind], n.silent, n.late, n.spoils
	n.cluster.mu.Unlock()
	if silent || handler == nil {
		return nil
	}
	text := handler(ctx, bytes.Clone(question))
	if late {
		return nil
	}
	if spoils != nil {
		text = spoils(kind, text)
	}
	return text
}

func (n *clusterNode) Lost() []string { return n.lost }

// newCluster returns nodes with the given names. They share an engine and a store of tokens.
func newCluster(t testing.TB, o api.Options, names ...string) []*clusterNode {
	t.Helper()
	return newClusterOn(t, memory.New(memory.Options{}), o, names...)
}

// newClusterOn is newCluster with an engine, which is closed at the end of the test.
func newClusterOn(t testing.TB, e engine.Engine, o api.Options, names ...string) []*clusterNode {
	t.Helper()
	t.Cleanup(func() { e.Close() })
	log := &sharedLog{added: make(chan struct{})}
	c := &cluster{nodes: make(map[string]*clusterNode)}
	var all []*clusterNode
	for _, name := range names {
		n := &clusterNode{cluster: c, name: name, log: log, tail: tail.New(), handlers: make(map[string]func(context.Context, []byte) []byte)}
		n.rig = &rig{t: t} // for Handle
		o := o
		o.Node, o.Nodes, o.Tail = name, n, n.tail
		o.Authority = open(t, auth.Options{Store: &sharedStore{log: log}})
		n.rig = newRig(t, boreas.Options{Engine: e, Node: name, Tail: n.tail}, o)
		n.authority.Attach(n.hub)
		c.nodes[name] = n
		all = append(all, n)
	}
	return all
}

// A sharedLog is the log of a store that several authorities share.
type sharedLog struct {
	mu    sync.Mutex
	lines [][]byte
	added chan struct{} // closed when lines are added
	down  error         // of every call, if not nil
}

func (l *sharedLog) goDown(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = err
}

// A sharedStore is the [auth.Store] of one authority.
type sharedStore struct{ log *sharedLog }

func (s *sharedStore) Replay(_ context.Context, after uint64, apply func([]byte) error) (uint64, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.log.down != nil {
		return after, s.log.down
	}
	for after < uint64(len(s.log.lines)) {
		if err := apply(s.log.lines[after]); err != nil {
			return after, fmt.Errorf("replay: %w", err)
		}
		after++
	}
	return after, nil
}

func (s *sharedStore) Wait(ctx context.Context, after uint64) error {
	for {
		s.log.mu.Lock()
		last, added := uint64(len(s.log.lines)), s.log.added
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
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	switch {
	case s.log.down != nil:
		return 0, s.log.down
	case after != uint64(len(s.log.lines)):
		return 0, auth.ErrConflict
	}
	s.log.add(lines)
	return uint64(len(s.log.lines)), nil
}

func (s *sharedStore) Note(_ context.Context, lines ...[]byte) error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.add(lines)
	return nil
}

func (l *sharedLog) add(lines [][]byte) {
	for _, text := range lines {
		l.lines = append(l.lines, bytes.Clone(text))
	}
	close(l.added)
	l.added = make(chan struct{})
}

func (s *sharedStore) Ready() error { return nil }
func (s *sharedStore) Close() error { return nil }

var errNoQuorum = errors.New("no quorum")
