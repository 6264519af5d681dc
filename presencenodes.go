package boreas

import "encoding/json"

// In a cluster, a presence also has places for the sessions of other nodes, so that a user with
// sessions on several nodes joins once and leaves once. Each node passes the changes of its own
// sessions to presenceOptions.outbox, and the other nodes apply them. A session that lingers is
// present on all nodes. Only its own node ends the lingering, and then passes on that the session
// has left.

// node is another node of the cluster, from its start to its end. After a restart it is a new
// *node.
type node struct{ name string }

// presenceChange is a change of one node's own sessions on a channel.
type presenceChange struct {
	kind    changeKind
	channel string
	session string // "" for changeInfo
	user    string

	// The user's info on that node, and whether it is from a token; not set for changeLeave. Another
	// node uses it if it does not know the user, or if it is from a token.
	info     json.RawMessage
	verified bool
}

type changeKind int

const (
	changeEnter changeKind = iota // the session has a place as the user
	changeLeave                   // the session has no place
	changeInfo                    // a token of the user has new info
)

// note passes a change of a place to the outbox, if the place belongs to this node. After close it
// does nothing, so that the sessions of a hub that shuts down linger on the other nodes. The caller
// holds mu.
func (p *presence) note(pl *place, kind changeKind) {
	if p.options.outbox == nil || pl.node != nil || p.closed {
		return
	}
	c := presenceChange{kind: kind, channel: p.events.name, session: pl.session, user: pl.user.name}
	if kind == changeEnter {
		c.info, c.verified = pl.user.info, pl.user.verified
	}
	p.options.outbox(c)
}

// noteInfo passes new info of a user to the outbox. The caller holds mu.
func (p *presence) noteInfo(u *attendee) {
	if p.options.outbox != nil {
		p.options.outbox(presenceChange{kind: changeInfo, channel: p.events.name, user: u.name, info: u.info, verified: u.verified})
	}
}

// apply applies a change of another node's sessions. The changes of one node must be applied in
// order. A changeEnter may be applied again; then the session is no longer lost.
func (p *presence) apply(n *node, c presenceChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	verified := ""
	if c.verified {
		verified = string(c.info)
	}
	pl := p.who.places[c.session]
	switch {
	case c.kind == changeInfo:
		p.verify(c.user, verified)
		return
	case c.kind == changeLeave:
		if pl != nil && pl.node == n {
			p.remove(pl)
		}
		return
	case pl == nil:
		p.add(n, c.session, c.user, c.info, verified)
	case pl.node != n:
		return // a session belongs to one node
	case pl.user.name != c.user:
		p.remove(pl)
		p.add(n, c.session, c.user, c.info, verified)
	case pl.lost:
		p.who.renew(pl)
	}
	p.verify(c.user, verified)
}

// loseNode records that the connection to a node is lost. The node's sessions linger like other
// lost sessions, so a user who reconnects to another node causes no event. LoseNode visits all
// places.
func (p *presence) loseNode(n *node) {
	p.eachPlace(func(pl *place) {
		if pl.node == n && !pl.lost {
			p.lose(pl, func() {})
		}
	})
}

// forgetNodes gives up the places of other nodes. The caller calls it after close, when this node
// has no session on the channel any more.
func (p *presence) forgetNodes() {
	p.eachPlace(func(pl *place) {
		if pl.node != nil {
			p.remove(pl)
		}
	})
}

// eachPlace calls visit for each place, with mu held, and for each user's places oldest first.
// Visit may remove the place.
func (p *presence) eachPlace(visit func(*place)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.who.users {
		for pl := u.oldest; pl != nil; {
			next := pl.next
			visit(pl)
			pl = next
		}
	}
}
