package boreas

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// In a cluster, a presence also has places for the sessions of other nodes, so that a user with
// sessions on several nodes joins once and leaves once. Each node passes the changes of its own
// sessions to presenceOptions.outbox, and the other nodes apply them. A session that lingers is
// present on all nodes. Only its own node ends the lingering, and then passes on that the session
// has left.

// node is another node of the cluster, from its start to its end. After a restart it is a new
// *node.
type node struct {
	name  string
	round atomic.Uint32 // the number of its newest snapshot

	mu     sync.Mutex     // guards the fields below; it comes after presence.mu
	digest PresenceDigest // of its places
}

// count counts a change of the node's places.
func (n *node) count(c PresenceChange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.digest.Count(c)
}

// counted returns the digest of the node's places.
func (n *node) counted() PresenceDigest {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.digest
}

// note passes a change of a place of this node to the outbox, and counts a change of another node's
// place. After close it does nothing, so that the sessions of a hub that shuts down linger on the
// other nodes. The caller holds mu.
func (p *presence) note(pl *place, kind PresenceKind) {
	c := PresenceChange{Kind: kind, Channel: p.events.name, Session: pl.session, User: pl.user.name}
	if pl.node != nil {
		pl.node.count(c)
		return
	}
	if p.closed {
		return
	}
	tellPresence(p.options.tail, c)
	if p.options.outbox == nil {
		return
	}
	if kind == PresenceEnter {
		c.Info, c.Verified = pl.user.info, pl.user.verified
	}
	p.options.outbox(c)
}

// noteInfo passes new info of a user to the outbox. The caller holds mu.
func (p *presence) noteInfo(u *attendee) {
	tellPresence(p.options.tail, PresenceChange{Kind: PresenceInfo, Channel: p.events.name, User: u.name})
	if p.options.outbox != nil {
		p.options.outbox(PresenceChange{Kind: PresenceInfo, Channel: p.events.name, User: u.name, Info: u.info, Verified: u.verified})
	}
}

// apply applies a change of another node's sessions. The changes of one node must be applied in
// order. A PresenceEnter may be applied again; then the session is no longer lost. Errors:
// errRetired, [ErrTooManyPlaces].
func (p *presence) apply(n *node, c PresenceChange) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.retired:
		return errRetired
	case p.closed:
		return nil
	}
	verified := ""
	if c.Verified {
		verified = string(c.Info)
	}
	pl := p.who.places[c.Session]
	switch {
	case c.Kind == PresenceInfo:
		p.verify(c.User, verified)
		return nil
	case c.Kind == PresenceLeave:
		if pl != nil && pl.node == n {
			p.remove(pl)
		}
		return nil
	case pl == nil && n.counted().Places >= MaxNodePlaces:
		return fmt.Errorf("%w: %d sessions of node %q", ErrTooManyPlaces, MaxNodePlaces, n.name)
	case pl == nil:
		p.add(n, c.Session, c.User, c.Info, verified)
	case pl.node != n && (pl.node == nil || pl.node.name != n.name || !pl.lost):
		return nil // a session belongs to one node
	case pl.node != n: // this hub has lost the node and found it again
		p.note(pl, PresenceLeave)
		pl.node = n
		p.note(pl, PresenceEnter)
		p.who.renew(pl)
	case pl.user.name != c.User:
		p.remove(pl)
		p.add(n, c.Session, c.User, c.Info, verified)
	case pl.lost:
		p.who.renew(pl)
	default:
		pl.round = n.round.Load()
	}
	p.verify(c.User, verified)
	return nil
}

// errRetired means that the presence has ended, and another one may have taken its place.
var errRetired = errors.New("boreas: the presence of the channel has ended")

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

// retain gives up the places of a node that are not in its newest snapshot.
func (p *presence) retain(n *node) {
	p.eachPlace(func(pl *place) {
		if pl.node == n && pl.round != n.round.Load() {
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

// empty reports whether the presence has no place, and no timer for one.
func (p *presence) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.who.places) == 0
}

// retire ends a presence that no channel of this node uses, if it has no place of another node. It
// reports whether it did. The caller calls close afterwards.
func (p *presence) retire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.who.others > 0 {
		return false
	}
	p.closed, p.retired = true, true
	return true
}
