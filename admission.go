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
// dealt with as [Hub.Cut] does. [ErrRulesChanged] if it is on a channel that it may not
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
var errAnother = errors.New("the session is another token's now")

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
	s.setEnd(newEnd(g.Expires, now))
	if before == "" {
		return nil
	}
	for _, sub := range s.subs {
		switch p := sub.ch.presence; {
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
		if sub.ch.feed != nil {
			verb = access.VerbPresence
		}
		if !s.grant.Permissions.Decide(verb, sub.ch.name).Allowed {
			s.endNow(ErrRulesChanged)
			return ErrRulesChanged
		}
	}
	s.mu.Unlock()
	return nil
}

// Cut takes what they have from the sessions whose grant matches: they are ended with
// [ErrRevoked], or made anonymous if they cannot be told. With a grace they have that long
// to show another token, and are told so. It returns how many there were. What was
// published before may still reach them; without a grace, nothing published after it
// returned does. A grant that is given out must be known to be invalid before: see
// Options.Valid. Match is called by one goroutine, and must be quick.
func (h *Hub) Cut(match func(*access.Grant) bool, grace time.Duration) int {
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
	if s.announcer() != nil {
		s.endNow(reason)
		return
	}
	s.setEnd(nil)
	d := s.depart(false)
	s.hub.registry.identify(s, nil) // cannot fail: nobody bounds those without a name
	s.since = time.Now()
	s.mu.Unlock()
	s.hub.drop(d)
}

// An end is when a session's grant ends.
type end struct {
	at     time.Time
	warnAt time.Time // when the client is told
	warned bool
	reason error
}

// maxWarning is how long before its token's end a client is told at most. One whose
// token lives less than four times as long is told in the last quarter.
const maxWarning = time.Minute

// newEnd returns the end of a grant that begins now; nil if it has none.
func newEnd(expires, now time.Time) *end {
	if expires.IsZero() {
		return nil
	}
	return &end{at: expires, warnAt: expires.Add(-min(expires.Sub(now)/4, maxWarning)), reason: access.ErrTokenExpired}
}

// setEnd changes the end of the session's grant. The caller holds mu.
func (s *Session) setEnd(e *end) {
	if (s.end == nil) != (e == nil) {
		if e != nil {
			s.hub.mortal.Add(1)
		} else {
			s.hub.mortal.Add(-1)
		}
	}
	s.end = e
}

// giveGrace makes the grace the most that is left of the session's grant, and tells the
// client, if it can be told.
func (s *Session) giveGrace(match func(*access.Grant) bool, grace time.Duration) bool {
	s.mu.Lock()
	if s.ending || s.grant == nil || !match(s.grant) {
		s.mu.Unlock()
		return false
	}
	if at := time.Now().Add(grace); s.end == nil || at.Before(s.end.at) {
		s.setEnd(&end{at: at, warnAt: at, reason: ErrRevoked})
	}
	s.warn()
	return true
}

// warn tells the client when its grant ends, once. The caller holds mu; it unlocks it.
func (s *Session) warn() {
	a := s.announcer()
	if s.end.warned || a == nil {
		s.end.warned = true
		s.mu.Unlock()
		return
	}
	s.end.warned = true
	s.out = a.AppendExpiring(s.out, s.end.at, time.Until(s.end.at))
	s.flushNow()
}

// checkDoor ends the session if it has been anonymous for longer than the limit, 0 being
// none, or its grant has ended; and tells the client in time that it will.
func (s *Session) checkDoor(anonymous time.Duration) {
	s.mu.Lock()
	now := time.Now()
	switch {
	case s.ending:
		s.mu.Unlock()
	case s.grant == nil && anonymous > 0 && now.Sub(s.since) > anonymous:
		s.endNow(ErrAnonymousTimeout)
	case s.end == nil:
		s.mu.Unlock()
	case !now.Before(s.end.at):
		s.revokeNow(s.end.reason)
	case !s.end.warned && !now.Before(s.end.warnAt):
		s.warn()
	default:
		s.mu.Unlock()
	}
}

// doorkeeper looks at each session once a second, a slot at a time.
func (h *Hub) doorkeeper() {
	tick := time.NewTicker(time.Second / pingSlots)
	defer tick.Stop()
	for slot := 0; ; slot = (slot + 1) % pingSlots {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
		}
		if h.options.AnonymousTimeout == 0 && h.mortal.Load() == 0 {
			continue
		}
		for _, s := range h.registry.slot(slot) {
			s.checkDoor(h.options.AnonymousTimeout)
		}
	}
}
