package boreas

import (
	"time"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
)

// RevokeSessions takes what they have from the sessions whose grant matches: they are ended with
// [ErrRevoked], or made anonymous if they cannot be told. With a grace they have that long
// to show another token, and are told so. It returns how many there were. What was
// published before may still reach them; without a grace, nothing published after it
// returned does. A grant that is given out must be known to be invalid before: see
// Options.Valid. Match is called by one goroutine, and must be quick.
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

// Regrant gives the grant to all sessions of its token, in the place of what they
// have. Those that are on a channel which they may no longer join are ended with
// [ErrRulesChanged]; if the grant has ended already, they lose what they have, as at its end.
// It returns how many sessions there were.
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
	// Identities are not enough: that of a classic token is its text, which may look like
	// the ID of another.
	same := func(now *access.Grant) bool { return now != nil && now.Kind == g.Kind && now.TokenID == g.TokenID }
	switch err := s.authenticate(g, same); err {
	case engine.ErrClosed, errAnother:
		return false
	case access.ErrTokenExpired:
		// The token's end was moved to a time that has come meanwhile. What they have would
		// last as long as the old one.
		return s.revoke(same, access.ErrTokenExpired)
	}
	return true
}

// revoke makes a session anonymous whose grant matches, which takes it off its channels.
// One that can be told so is ended instead, for the reason. It returns false if the
// session has no such grant.
func (s *Session) revoke(match func(*access.Grant) bool, reason error) bool {
	s.mu.Lock()
	if s.ending || s.grant == nil || !match(s.grant) {
		s.mu.Unlock()
		return false
	}
	s.revokeNow(reason)
	return true
}

// revokeNow is revoke for a caller that holds mu; it unlocks it.
func (s *Session) revokeNow(reason error) {
	if s.notices() != nil {
		s.endNow(reason)
		return
	}
	s.setExpiry(nil)
	d := s.depart(false)
	s.hub.registry.identify(s, nil) // cannot fail: nobody bounds those without a name
	s.since = time.Now()
	s.mu.Unlock()
	s.hub.drop(d)
}

// giveGrace makes the grace the most that is left of the session's grant, and tells the
// client, if it can be told.
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
