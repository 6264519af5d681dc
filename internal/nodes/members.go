package nodes

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// members are the other nodes that are alive.
type members struct {
	log *occasionalLog

	mu      sync.Mutex // guards the fields below
	nodes   map[string]*member
	ended   map[string]string // the incarnation of each name that said goodbye last: its late messages have no effect
	checked clock.Mono        // when check was last called
}

// member is a node that is alive.
type member struct {
	Node
	heard clock.Mono // the last sign of life
}

// change is a node that has joined or ended.
type change struct {
	node   Node
	joined bool
	bye    bool // the node has said goodbye
	again  bool // another incarnation takes its place
}

func (m *members) init(log *occasionalLog) {
	m.log, m.nodes, m.ended, m.checked = log, make(map[string]*member), make(map[string]string), clock.Now()
}

// beat records a beat of another node, and returns what it changes.
func (m *members) beat(name string, b *beat) (changes []change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := clock.Now()
	known := m.nodes[name]
	switch {
	case m.ended[name] == b.Incarnation:
		return nil
	case b.Bye:
		if known != nil && known.Incarnation == b.Incarnation {
			delete(m.nodes, name)
			changes = append(changes, change{node: known.Node, bye: true})
		}
		m.endedNow(name, b.Incarnation)
		return changes
	case known != nil && known.Incarnation != b.Incarnation:
		if now.Sub(known.heard) < DeadAfter && !b.Started.After(known.Started) {
			m.sameName(name, known.Incarnation, b.Incarnation)
			return nil
		}
		changes = append(changes, change{node: known.Node, again: true})
		known = nil
	}
	if known == nil {
		if len(m.nodes) >= maxNodes {
			if m.log.due("too many nodes", "") {
				m.log.Error(fmt.Sprintf("there are more than %d other nodes: this node ignores further ones; stop some", maxNodes), "ignored", name)
			}
			return changes
		}
		known = &member{Node: Node{Name: name, Incarnation: b.Incarnation, Version: b.Version, Started: b.Started, Since: clock.Wall(), Info: b.Info}}
		m.nodes[name] = known
		changes = append(changes, change{node: known.Node, joined: true})
	}
	known.heard = now
	known.Version, known.Info = b.Version, b.Info
	return changes
}

// hear records a sign of life of an incarnation. It returns false if that is not alive.
func (m *members) hear(name, incarnation string) (Node, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.nodes[name]
	if known == nil || known.Incarnation != incarnation {
		return Node{}, false
	}
	known.heard = clock.Now()
	return known.Node, true
}

// endedNow records that an incarnation has said goodbye. The caller holds mu.
func (m *members) endedNow(name, incarnation string) {
	if len(m.ended) >= 2*maxNodes {
		clear(m.ended) // at worst a late message brings a node back until it is silent for long enough
	}
	m.ended[name] = incarnation
}

// check returns the nodes that have been silent for too long, and removes them.
func (m *members) check() (changes []change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := clock.Now()
	late := now.Sub(m.checked)
	m.checked = now
	if late > DeadAfter/2 {
		// This process was stopped, and could not have heard the others.
		for _, known := range m.nodes {
			known.heard = min(now, known.heard.Add(late))
		}
		return nil
	}
	for _, known := range m.nodes {
		if now.Sub(known.heard) >= DeadAfter {
			delete(m.nodes, known.Name) // not ended: it may be heard again
			changes = append(changes, change{node: known.Node})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.node.Name, b.node.Name) })
	return changes
}

// alive returns the live nodes, by name.
func (m *members) alive() []Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := clock.Now()
	all := make([]Node, 0, len(m.nodes))
	for _, known := range m.nodes {
		n := known.Node
		if n.Silent = now.Sub(known.heard); n.Silent < DeadAfter {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// late returns the names of the nodes that are not alive any more, and that check has not removed yet.
func (m *members) late() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := clock.Now()
	for name, known := range m.nodes {
		if now.Sub(known.heard) >= DeadAfter {
			names = append(names, name)
		}
	}
	return names
}

// sameName reports two live nodes with one name. Of the two, the one that started later counts.
func (m *members) sameName(name, counts, ignored string) {
	if m.log.due("same name", name) {
		m.log.Error("two live nodes have the same name: stop one of them, or give it another name; this node ignores one of them",
			"node", name, "incarnation", counts, "ignored", ignored)
	}
}

// skew warns if the clock of a node differs from this node's.
func (m *members) skew(name string, b *beat) {
	difference := b.Now.Sub(clock.Wall()).Round(10 * time.Millisecond)
	if difference.Abs() > maxSkew && m.log.due("clock", name) {
		m.log.Warn("the clock of another node differs from this node's: synchronize both, because ages and expiries depend on them",
			"node", name, "difference", difference)
	}
}
