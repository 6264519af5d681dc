package boreas

import (
	"context"
	"net/netip"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// This file adds the hub's events to Options.Tail.

// tellPublished adds the event of a message that the engine has accepted. By is the session that has
// published it, or nil.
func (h *Hub) tellPublished(ctx context.Context, by *Session, channel string, m engine.Message, at engine.Position) {
	if !h.options.Tail.Watched() {
		return
	}
	e := tail.Event{Kind: tail.Message, Channel: channel, Position: at, Data: m.Data}
	if by == nil {
		p := tail.PublisherOf(ctx)
		e.Key, e.Token, e.User, e.Traceparent = p.Key, p.Token, p.User, p.Traceparent
	} else {
		e.Session = by.ID()
		by.mu.Lock()
		by.identifyEvent(&e)
		by.mu.Unlock()
	}
	h.options.Tail.Add(e)
}

// identifyEvent sets the user and the token of an event. The caller holds mu.
func (s *Session) identifyEvent(e *tail.Event) {
	e.User = s.user()
	if s.grant != nil {
		e.Token = s.grant.TokenID
	}
}

// tell adds an event about the session. The caller holds mu.
func (s *Session) tell(e tail.Event) {
	if s.hub.options.Tail == nil {
		return
	}
	e.Session = s.ID()
	s.identifyEvent(&e)
	s.hub.options.Tail.Add(e)
}

// tellOpened adds the event of a new session. The caller holds mu.
func (s *Session) tellOpened() {
	if s.hub.options.Tail == nil {
		return
	}
	transport, address := s.describe()
	s.tell(tail.Event{Kind: tail.Opened, Transport: transport, Address: address})
}

// tellGap adds the event of a gap that the session receives. The caller holds mu.
func (s *Session) tellGap(channel string, g Gap) {
	s.tell(tail.Event{Kind: tail.Gap, Channel: channel, Cause: string(g.Reason), From: g.From, Position: g.To})
}

// tellPresence adds the event of a change of a session of this hub.
func tellPresence(t *tail.Log, c PresenceChange) {
	t.Add(tail.Event{Kind: tail.Presence, Channel: c.Channel, Session: c.Session, User: c.User, Cause: string(c.Kind)})
}

// describe returns the name of the session's transport and the client's address.
func (s *Session) describe() (transport, address string) {
	if d, ok := s.conn.(Describer); ok {
		transport, address = d.Describe()
	}
	if peer, err := netip.ParseAddrPort(address); s.address.IsValid() && (err != nil || peer.Addr().Unmap() != s.address) {
		address = s.address.String() // the peer of the connection is a proxy
	}
	return transport, address
}
