package boreas

import "github.com/boreas-pubsub/boreas/engine"

// cut is a publication that has been written in part. The rest must be written before anything
// else. It is encoded again at that time, because keeping a copy for each of a thousand blocked
// readers would take a thousand times its size.
type cut struct {
	life    *life
	pub     *engine.Publication
	written int // bytes of its form

	// places holds the session's positions on its channels if the form contains them; otherwise it
	// is nil.
	places []cutPlace
	format SessionFormat

	pinned  bool  // the ledger counts pub
	refused error // the ledger has no room for pub: the session must end
}

// cutPlace is a session's position on a channel.
type cutPlace struct {
	channel string
	at      engine.Position
}

// cutAt records that n bytes of the form of a publication have been written, and that its cursor
// has moved to it. The caller holds s.mu.
func (s *Session) cutAt(l *life, p *engine.Publication, n int) {
	c := &cut{life: l, pub: p, written: n}
	if s.personal {
		c.format = s.format.(SessionFormat)
		for _, sub := range s.subs {
			if sub.channel().feed == nil {
				c.places = append(c.places, cutPlace{sub.channel().name, sub.position()})
			}
		}
	}
	if counted(len(p.Data)) > 0 {
		c.refused = s.hub.ledger.pin(p, s.held(HeldMessage))
		c.pinned = c.refused == nil
	}
	s.cut = c
}

// uncut records that the cut publication was written in full, or that its rest is not needed.
// The caller holds s.mu.
func (s *Session) uncut() {
	if s.cut != nil && s.cut.pinned {
		s.hub.ledger.unpin(s.cut.pub)
	}
	s.cut = nil
}

// appendRest appends the rest of the publication.
func (c *cut) appendRest(dst []byte, f Format) []byte {
	if c.format != nil {
		f = c.format.At(c.position)
	}
	start := len(dst)
	dst = appendForm(dst, f, c.life, c.pub)
	return append(dst[:start], dst[start+c.written:]...)
}

// position returns the session's position when the publication was written in part.
func (c *cut) position(channel string) engine.Position {
	for _, p := range c.places {
		if p.channel == channel {
			return p.at
		}
	}
	return engine.Position{}
}
