package boreas

import (
	"time"

	"github.com/boreas-pubsub/boreas/access"
)

// An end is when a session's grant ends.
type expiry struct {
	at     time.Time
	warnAt time.Time // when the client is told
	warned bool
	reason error
}

// maxWarning is how long before its token's end a client is told at most. One whose
// token lives less than four times as long is told in the last quarter.
const maxWarning = time.Minute

// newExpiry returns the end of a grant that begins now; nil if it has none.
func newExpiry(expires, now time.Time) *expiry {
	if expires.IsZero() {
		return nil
	}
	return &expiry{at: expires, warnAt: expires.Add(-min(expires.Sub(now)/4, maxWarning)), reason: access.ErrTokenExpired}
}

// setExpiry changes the end of the session's grant. The caller holds mu.
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

// warn tells the client when its grant ends, once. The caller holds mu; it unlocks it.
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

// checkExpiry ends the session if it has been anonymous for longer than the limit, 0 being
// none, or its grant has ended; and tells the client in time that it will.
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

// expirer looks at each session once a second, a slot at a time.
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
