package boreas

import "github.com/boreas-pubsub/boreas/access"

// Deauthenticate takes from the session what it may do, whatever that is.
func (s *Session) Deauthenticate() { s.revoke(func(*access.Grant) bool { return true }, ErrRevoked) }

// Deauthenticate cuts the sessions of an identity.
func (h *Hub) Deauthenticate(identity string) int {
	return h.RevokeSessions(func(g *access.Grant) bool { return g.Identity == identity }, 0)
}

// ChannelsHeld returns the number of channels with at least one reference.
func ChannelsHeld(h *Hub) (n int) {
	h.channels.each(func(*channel) { n++ })
	return n
}

// Shares reports whether the session gets the same bytes as others on the channel, instead of
// its own bytes without the publications that it does not want back.
func (s *Session) Shares(channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.find(channel).silent()
}
