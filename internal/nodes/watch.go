package nodes

import (
	"encoding/json"
	"fmt"
)

// A Watcher learns what the other nodes do. The group calls Joined, Ended, Told and Beat one after the
// other. They must be fast, because no beat is heard meanwhile, and must not call [Group.Watch],
// [Group.Lost] or [Group.Close].
type Watcher interface {
	// Joined is called when a node is alive that was not: after its start, or because it can be reached
	// again. In that case it has the same incarnation as before.
	Joined(n Node)

	// Ended is called when a node is not alive any more. Each Joined has one Ended, except for nodes
	// that are alive in the end.
	Ended(n Node)

	// Told is called with what a live node gave to [Group.Tell]. The contents of one incarnation come in
	// order. Some may be missing.
	Told(n Node, content []byte)

	// Beat is called with the Digest that was in a beat of a live node. All contents that the node told
	// before are there, unless they are missing.
	Beat(n Node, digest json.RawMessage)

	// Digest returns a short JSON text for the next beat. It is called by other goroutines than the
	// other methods.
	Digest() json.RawMessage
}

// MaxTell is the maximum length of a content for [Group.Tell] in bytes. It is small enough for the
// default max_payload of NATS, 1 MiB.
const MaxTell = 256 << 10

// told is the head of a content for all nodes.
type told struct {
	V           int    `json:"v"`
	Incarnation string `json:"incarnation"`
}

// Watch sets the watcher, and tells it about the nodes that are alive. A group has one watcher; nil
// means none.
func (g *Group) Watch(w Watcher) {
	g.order.Lock()
	defer g.order.Unlock()
	if w == nil {
		g.watcher.Store(nil)
		return
	}
	g.watcher.Store(&w)
	for _, n := range g.members.alive() {
		w.Joined(n)
	}
	g.wake() // the others learn its digest
}

// watching returns the watcher, or nil.
func (g *Group) watching() Watcher {
	if w := g.watcher.Load(); w != nil {
		return *w
	}
	return nil
}

// Tell sends a content to the watchers of all other nodes. It does not wait for them. The error says
// why the content was not sent.
func (g *Group) Tell(content []byte) error {
	if len(content) > MaxTell {
		return fmt.Errorf("the content for the other nodes has %d bytes, and %d are allowed", len(content), MaxTell)
	}
	return g.bus.publish(g.subject("node", g.name, kindTold), encode(told{wireVersion, g.incarnation}, content))
}

// told handles a content that another node has told.
func (g *Group) told(name, subject string, data []byte) {
	var head told
	content, err := decode(data, &head)
	if err != nil || head.V < 1 {
		g.unreadable(subject, data, err)
		return
	}
	if head.V > wireVersion {
		return // the node's beats are reported
	}
	g.order.Lock()
	defer g.order.Unlock()
	n, alive := g.members.hear(name, head.Incarnation)
	if w := g.watching(); w != nil && alive {
		w.Told(n, content)
	}
}

// unreadable reports a message that is not one of a node.
func (g *Group) unreadable(subject string, data []byte, err error) {
	if g.log.due("form", "") {
		g.log.Warn("a message about a node cannot be read: find out who sends it", "subject", subject, "bytes", len(data), "error", err)
	}
}
