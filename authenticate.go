package boreas

import (
	"errors"
	"time"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
)

// This file is about who a session is: how it becomes somebody, and how that ends.

// Authenticate gives the session what the grant allows; its identity must not be empty.
// It keeps its channels. Errors: [access.ErrTokenExpired], [ErrTooManyUserSessions],
// [ErrTooManyUserChannels], and the session is what it was then; [engine.ErrClosed] if it has
// ended. That of Options.Valid, if the grant has become invalid meanwhile: the session is
// dealt with as [Hub.RevokeSessions] does. [ErrRulesChanged] if it is on a channel that it may not
// join any more, or Options.Valid says so: it has ended.
func (s *Session) Authenticate(g *access.Grant) error {
	return s.authenticate(g, func(*access.Grant) bool { return true })
}

// authenticate is Authenticate for a session whose grant, which is nil while it is
// anonymous, is still one of those meant. Otherwise the error is errAnother.
func (s *Session) authenticate(g *access.Grant, meant func(now *access.Grant) bool) error {
	if err := s.become(g, meant); err != nil {
		return err
	}
	// Whoever makes a grant invalid notes that first and looks for sessions then. This
	// session is to be found since a moment ago, so one of the two sees the other.
	if valid := s.hub.options.Valid; valid != nil {
		if err := valid(g); err != nil {
			s.invalid(g, err)
			return err
		}
	}
	return s.checkRules()
}

// errAnother is of a session that has become another token's meanwhile.
var errAnother = errors.New("another token has taken over the session")

// invalid takes the grant from the session for what Options.Valid said of it. One whose token
// was changed in that moment comes back with the same one: that it was revoked would keep
// it away.
func (s *Session) invalid(g *access.Grant, why error) {
	s.mu.Lock()
	switch {
	case s.ending || s.grant != g:
		s.mu.Unlock()
	case errors.Is(why, ErrRulesChanged):
		s.endNow(ErrRulesChanged)
	default:
		s.revokeNow(ErrRevoked)
	}
}

func (s *Session) become(g *access.Grant, meant func(now *access.Grant) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return engine.ErrClosed
	}
	if !meant(s.grant) {
		return errAnother
	}
	now := time.Now()
	if !g.Expires.IsZero() && !now.Before(g.Expires) {
		return access.ErrTokenExpired
	}
	before := s.user()
	if err := s.hub.registry.identify(s, g); err != nil {
		return err
	}
	s.setExpiry(newExpiry(g.Expires, now))
	if before == "" {
		return nil
	}
	for _, sub := range s.subs {
		switch p := sub.channel().presence; {
		case p == nil:
		case before == g.User:
			p.reverify(g.User, g.Info)
		default:
			p.enterWith(s.ID(), g.User, nil, g.Info) // which ends its presence as the other user
		}
	}
	return nil
}

// checkRules ends a session that is on a channel that its grant does not let it join.
// That it no longer gets what it did must be told, and it may come back for the rest.
func (s *Session) checkRules() error {
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		return engine.ErrClosed
	}
	if s.grant == nil || s.grant.Permissions == nil {
		s.mu.Unlock()
		return nil
	}
	for _, sub := range s.subs {
		verb := access.VerbJoin
		if sub.channel().feed != nil {
			verb = access.VerbPresence
		}
		if !s.grant.Permissions.Decide(verb, sub.channel().name).Allowed {
			s.endNow(ErrRulesChanged)
			return ErrRulesChanged
		}
	}
	s.mu.Unlock()
	return nil
}
