package boreas

import (
	"errors"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// This file sets a session's grant and checks whether the grant is still valid.

// Authenticate gives the session the grant, whose identity must not be empty. The session keeps its
// channels. Errors:
//
//   - [access.ErrTokenExpired], [ErrTooManyUserSessions], [ErrTooManyUserChannels]: nothing has
//     changed.
//   - [ErrRulesChanged]: the session has joined a channel that the grant does not allow, or
//     Options.Valid returned this error. The session has ended.
//   - any other error of Options.Valid: the grant has become invalid, and the session was treated
//     as by [Hub.RevokeSessions].
//   - [engine.ErrClosed]: the session has ended.
func (s *Session) Authenticate(g *access.Grant) error {
	return s.authenticate(g, func(*access.Grant) bool { return true })
}

// authenticate is like Authenticate, but only for a session whose current grant (nil if anonymous)
// meant accepts. For any other session the error is errAnother.
func (s *Session) authenticate(g *access.Grant, meant func(now *access.Grant) bool) error {
	if err := s.become(g, meant); err != nil {
		return err
	}
	// A revocation is recorded first, and then the hub looks for sessions to revoke. This session
	// has the grant by now. So either the hub finds it, or Valid knows the revocation.
	if valid := s.hub.options.Valid; valid != nil {
		if err := valid(g); err != nil {
			s.invalid(g, err)
			return err
		}
	}
	return s.checkRules()
}

// errAnother means that the session has the grant of another token by now.
var errAnother = errors.New("another token has taken over the session")

// invalid takes the grant away because of an error of Options.Valid. If only the token's rules have
// changed, the client must not receive the reason "revoked", because it can reconnect with the same
// token.
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
	s.tell(tail.Event{Kind: tail.Authenticated})
	if before == "" {
		return nil
	}
	for _, sub := range s.subs {
		switch p := sub.channel().presence; {
		case p == nil:
		case before == g.User:
			p.reverify(g.User, g.Info)
		default:
			p.enterWith(s.ID(), g.User, nil, g.Info) // this also ends its presence as the earlier user
		}
	}
	return nil
}

// checkRules ends a session that has joined a channel which its grant does not allow. The session
// ends so that the client notices; it may reconnect and join the allowed channels.
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
