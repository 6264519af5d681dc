package boreas

// Deauthenticate takes from the session what it may do, whatever that is.
func (s *Session) Deauthenticate() { s.revoke(func(*Grant) bool { return true }, ErrRevoked) }

// Deauthenticate cuts the sessions of an identity.
func (h *Hub) Deauthenticate(identity string) int {
	return h.Cut(func(g *Grant) bool { return g.Identity == identity }, 0)
}
