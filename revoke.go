package boreas

import (
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// RevokeSessions revokes the grants that match. A session with such a grant ends with [ErrRevoked],
// or becomes anonymous if its format is not a [NoticeFormat]. With a grace, the client is warned
// and has that long to show another token. RevokeSessions returns the number of these sessions.
//
// Messages published before the call may still reach them. Without a grace, messages published
// after the return do not. Before the call, the caller must record that the grants are invalid, so
// that Options.Valid rejects them for sessions that authenticate at the same time. Match is called
// by one goroutine and must be fast.
func (h *Hub) RevokeSessions(match func(*access.Grant) bool, grace time.Duration) int {
	n := 0
	for i := range pingSlots {
		for _, s := range h.registry.slot(i) {
			if grace > 0 && s.giveGrace(match, grace) || grace <= 0 && s.revoke(match, ErrRevoked) {
				n++
			}
		}
	}
	return n
}

// Regrant replaces the grant of all sessions of the same token with g. A session that has joined a
// channel which g does not allow ends with [ErrRulesChanged]. If g has already expired, the
// sessions are treated as at an expiry. Regrant returns the number of sessions.
func (h *Hub) Regrant(g *access.Grant) int {
	n := 0
	for _, s := range h.registry.of(g.Identity) {
		if s.regrant(g) {
			n++
		}
	}
	return n
}

func (s *Session) regrant(g *access.Grant) bool {
	// The identity is not enough: the identity of a classic token is its text, which may equal the
	// ID of another token.
	same := func(now *access.Grant) bool { return now != nil && now.Kind == g.Kind && now.TokenID == g.TokenID }
	switch err := s.authenticate(g, same); err {
	case engine.ErrClosed, errAnother:
		return false
	case access.ErrTokenExpired:
		// The token's new expiry has already passed. The old grant would last until the old expiry.
		return s.revoke(same, access.ErrTokenExpired)
	}
	return true
}

// revoke takes the session's grant away if it matches: the session becomes anonymous and leaves its
// channels. If its format is a NoticeFormat, the session ends for the reason instead. It returns
// false if the session has no such grant.
func (s *Session) revoke(match func(*access.Grant) bool, reason error) bool {
	s.mu.Lock()
	if s.ending || s.grant == nil || !match(s.grant) {
		s.mu.Unlock()
		return false
	}
	s.revokeNow(reason)
	return true
}

// revokeNow is revoke for a caller that holds mu; revokeNow unlocks it.
func (s *Session) revokeNow(reason error) {
	if s.notices() != nil {
		s.endNow(reason)
		return
	}
	s.setExpiry(nil)
	d := s.depart(false)
	s.hub.registry.identify(s, nil) // cannot fail: anonymous sessions are not limited
	s.since = time.Now()
	s.mu.Unlock()
	s.hub.drop(d)
}

// giveGrace limits the remaining time of the session's grant to the grace, and warns the client if
// its format allows that.
func (s *Session) giveGrace(match func(*access.Grant) bool, grace time.Duration) bool {
	s.mu.Lock()
	if s.ending || s.grant == nil || !match(s.grant) {
		s.mu.Unlock()
		return false
	}
	if at := time.Now().Add(grace); s.expiry == nil || at.Before(s.expiry.at) {
		s.setExpiry(&expiry{at: at, warnAt: at, reason: ErrRevoked})
	}
	s.warn()
	return true
}
