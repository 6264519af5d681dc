package boreas

import (
	"slices"
	"time"
)

const (
	// maxLags is how often within lagPeriod a session may fall behind the log. One
	// that does so more often can't follow at all: it is sent away for a while, or
	// its recovery would never end.
	maxLags   = 10
	lagPeriod = time.Minute
)

// lags counts how often a session fell behind the log.
type lags struct {
	since time.Time
	count int
}

// fellBehind notes that the session fell behind the log, on however many channels. It
// returns true if that was once too often.
func (s *Session) fellBehind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.lags == nil || now.Sub(s.lags.since) > lagPeriod {
		s.lags = &lags{since: now}
	}
	s.lags.count++
	return s.lags.count >= maxLags
}

// skip moves the subscription's cursor forward and tells the session what it does not
// get.
func (s *Session) skip(sub *subscription, reason GapReason, to Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipNow(sub, reason, to.Offset)
}

// skipNow is skip for a caller that holds s.mu.
func (s *Session) skipNow(sub *subscription, reason GapReason, to uint64) {
	from := sub.cursor.Load()
	if s.ending || to <= from || !slices.Contains(s.subs, sub) {
		return
	}
	sub.cursor.Store(to)
	epoch := sub.ch.epoch
	s.out = s.batchFormat().(Announcer).AppendGap(s.out, sub.ch.name, Gap{Reason: reason, From: Position{epoch, from}, To: Position{epoch, to}})
	s.hub.stats.gap(reason)
}

// conflate takes a session whose connection took no more for a while to the newest
// publication of each channel that asks for that.
func (s *Session) conflate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.announcer() == nil {
		return
	}
	for _, sub := range s.subs {
		if sub.ch.rule == nil || !sub.ch.rule.Latest {
			continue
		}
		s.skipNow(sub, GapConflated, sub.ch.beforeHead())
	}
}

// position returns where the session is on a channel that it has joined, and the zero
// Position for any other. The caller holds s.mu.
func (s *Session) position(channel string) Position {
	i := s.find(channel)
	if i < 0 {
		return Position{}
	}
	return s.subs[i].position()
}
