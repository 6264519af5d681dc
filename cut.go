package boreas

import "github.com/boreas-pubsub/boreas/v2/engine"

// cut is a partly written publication. Its rest must be written before anything else. It is encoded
// again for that, because a copy for each of a thousand blocked readers would take a thousand times
// its size.
type cut struct {
	life    *life
	pub     *engine.Publication
	written int // number of bytes of its encoding that have been written

	// places has the session's positions on its channels when the publication was encoded, if the
	// encoding contains them; otherwise it is nil.
	places []cutPlace
	format SessionFormat

	// encoded is the encoding, if the session's format compresses. All sessions share its bytes.
	encoded *encoded

	pinned  bool  // the ledger counts pub
	refused error // the ledger had no memory for pub: the session must end
}

// cutPlace is a session's position on a channel.
type cutPlace struct {
	channel string
	at      engine.Position
}

// cutAt records that n bytes of a publication's encoding have been written, and that the cursor has
// moved to it. The caller holds s.mu.
func (s *Session) cutAt(l *life, m *mark, n int) {
	p := m.pub
	c := &cut{life: l, pub: p, written: n, encoded: m.encoded}
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

// uncut records that the partly written publication is complete, or that its rest is not needed.
// The caller holds s.mu.
func (s *Session) uncut() {
	if s.cut != nil && s.cut.pinned {
		s.hub.ledger.unpin(s.cut.pub)
	}
	s.cut = nil
}

// appendRest appends the rest of the publication's encoding.
func (c *cut) appendRest(dst []byte, f Format) []byte {
	if c.encoded != nil {
		return append(dst, c.encoded.bytes[c.written:]...)
	}
	if c.format != nil {
		f = c.format.At(c.position)
	}
	start := len(dst)
	dst = appendForm(dst, f, c.life, c.pub)
	return append(dst[:start], dst[start+c.written:]...)
}

// position returns the session's position when the publication was encoded.
func (c *cut) position(channel string) engine.Position {
	for _, p := range c.places {
		if p.channel == channel {
			return p.at
		}
	}
	return engine.Position{}
}
