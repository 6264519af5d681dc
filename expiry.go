package boreas

import (
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// expiry says when and why a session's grant ends.
type expiry struct {
	at     time.Time
	warnAt time.Time // when to warn the client
	warned bool
	reason error
}

// maxWarning is how long before the expiry a client is warned at most. If the token lives for less
// than four times as long, the client is warned in the last quarter of its life.
const maxWarning = time.Minute

// newExpiry returns the expiry of a grant that begins now, or nil if it does not expire.
func newExpiry(expires, now time.Time) *expiry {
	if expires.IsZero() {
		return nil
	}
	return &expiry{at: expires, warnAt: expires.Add(-min(expires.Sub(now)/4, maxWarning)), reason: access.ErrTokenExpired}
}

// setExpiry changes when the session's grant ends. The caller holds mu.
func (s *Session) setExpiry(e *expiry) {
	if (s.expiry == nil) != (e == nil) {
		if e != nil {
			s.hub.expiring.Add(1)
		} else {
			s.hub.expiring.Add(-1)
		}
	}
	s.expiry = e
}

// warn tells the client once when its grant will end. The caller holds mu; warn unlocks it.
func (s *Session) warn() {
	a := s.notices()
	if s.expiry.warned || a == nil {
		s.expiry.warned = true
		s.mu.Unlock()
		return
	}
	s.expiry.warned = true
	s.out = a.AppendExpiring(s.out, s.expiry.at, time.Until(s.expiry.at))
	s.flushNow()
}

// checkExpiry ends the session if it has been anonymous for longer than the limit (0 means
// unlimited). It revokes the grant if that has expired, or warns the client before that.
func (s *Session) checkExpiry(anonymous time.Duration) {
	s.mu.Lock()
	now := time.Now()
	switch {
	case s.ending:
		s.mu.Unlock()
	case s.grant == nil && anonymous > 0 && now.Sub(s.since) > anonymous:
		s.endNow(ErrAnonymousTimeout)
	case s.expiry == nil:
		s.mu.Unlock()
	case !now.Before(s.expiry.at):
		s.revokeNow(s.expiry.reason)
	case !s.expiry.warned && !now.Before(s.expiry.warnAt):
		s.warn()
	default:
		s.mu.Unlock()
	}
}

// expirer checks each session once per second, one slot at a time.
func (h *Hub) expirer() {
	tick := time.NewTicker(time.Second / pingSlots)
	defer tick.Stop()
	for slot := 0; ; slot = (slot + 1) % pingSlots {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
		}
		if h.options.AnonymousTimeout == 0 && h.expiring.Load() == 0 {
			continue
		}
		for _, s := range h.registry.slot(slot) {
			s.checkExpiry(h.options.AnonymousTimeout)
		}
	}
}
