package boreas

import "errors"

// MaxNodePlaces is the maximum number of places of one other node: pairs of a session and a channel
// with presence.
const MaxNodePlaces = 1 << 20

// ErrTooManyPlaces means that another node has more than [MaxNodePlaces] places.
var ErrTooManyPlaces = errors.New("boreas: another node has more sessions on channels with presence than this one can keep")

// OtherNode is another node of the cluster, from its start to its end: with its sessions, users are
// present on this hub too. Presence counts a user with sessions on several nodes once.
//
// The other node's hub reports the changes of its own sessions to [Options.PresenceChanged]. All of
// them must be applied, in order. If a change was lost, a snapshot repairs that: [OtherNode.Begin],
// then [OtherNode.Apply] with each entry of the other hub's [Hub.OwnPresence], then [OtherNode.End].
// A difference between [OtherNode.Digest] and the digest of the other hub's changes tells that a
// change was lost.
//
// The methods of one OtherNode must be called one after the other, except for Digest.
type OtherNode struct {
	hub  *Hub
	node *node
}

// OtherNode returns a new node without sessions. The name is the [Options.Node] of its hub. A node
// that restarts is a new one.
func (h *Hub) OtherNode(name string) *OtherNode { return &OtherNode{h, &node{name: name}} }

// Apply applies a change of the node's sessions. A session that has entered may enter again. Apply
// returns an error if the change cannot be one of the node, or [ErrTooManyPlaces]; then nothing has
// changed.
func (n *OtherNode) Apply(c PresenceChange) error {
	if err := c.check(n.node.name); err != nil {
		return err
	}
	for n.hub.ctx.Err() == nil { // after the end of the hub, changes have no effect
		p := n.hub.presence(c.Channel, c.Kind == PresenceEnter)
		if p == nil {
			return nil // nobody is there
		}
		err := p.apply(n.node, c)
		if err == errRetired {
			continue // a new presence is needed
		}
		if p.empty() {
			n.hub.channels.dropPresence(p)
		}
		return err
	}
	return nil
}

// Lose records that the node has ended, or cannot be reached any more. Its sessions are lost: they
// count as present for [Options.PresenceLinger]. If the user comes back meanwhile, on any node, there
// is no event. If the node can be reached again, a snapshot must follow.
func (n *OtherNode) Lose() {
	n.each(func(p *presence) { p.loseNode(n.node) })
}

// Begin begins a snapshot of the node's sessions.
func (n *OtherNode) Begin() { n.node.round.Add(1) }

// End ends a snapshot. Sessions that have not entered since [OtherNode.Begin] are not present any
// more.
func (n *OtherNode) End() {
	n.each(func(p *presence) { p.retain(n.node) })
}

// Digest returns the digest of the node's sessions on this hub.
func (n *OtherNode) Digest() PresenceDigest { return n.node.counted() }

// each calls change for every presence of the hub.
func (n *OtherNode) each(change func(*presence)) {
	for i := range n.hub.channels.shards {
		for _, p := range n.hub.channels.presences(i) {
			change(p)
			if p.empty() {
				n.hub.channels.dropPresence(p)
			}
		}
	}
}
