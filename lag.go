package boreas

import (
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/engine"
)

const (
	// maxLags is how often within lagPeriod a session may fall behind the log. One
	// that does so more often can't follow at all: it is sent away for a while, or
	// its recovery would never end.
	maxLags   = 10
	lagPeriod = time.Minute
)

// strain is what a session has that does not keep up.
type strain struct {
	since time.Time // when it fell behind the log first, of count times
	count int

	wake     chan struct{} // wakes the draining goroutine while it waits for a log; nil before the first time
	answered chan struct{} // closed when all answers have been taken; nil if nobody waits

	answers  Held   // the bytes of out
	written  int    // bytes of out's array that have been written already
	reserved *Held  // for the next answer; nil if nothing is reserved
	upTo     int    // how many bytes the next answer may have, if known
	giveUp   func() // ends the wait for the next answer's room; nil if nothing waits
}

// fellBehind notes that the session fell behind the log, on however many channels. It
// returns true if that was once too often.
func (s *Session) fellBehind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.strained()
	if now.Sub(s.strain.since) > lagPeriod {
		s.strain.since, s.strain.count = now, 0
	}
	s.strain.count++
	return s.strain.count >= maxLags
}

// skip moves the subscription's cursor forward and tells the session what it does not
// get.
func (s *Session) skip(sub *subscription, reason GapReason, to engine.Position) {
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
	s.out = s.batchFormat().(Announcer).AppendGap(s.out, sub.ch.name, Gap{Reason: reason, From: engine.Position{Epoch: epoch, Offset: from}, To: engine.Position{Epoch: epoch, Offset: to}})
	s.hub.stats.gap(reason)
}

// conflate takes a session whose connection took no more for a while to the newest
// publication of each channel that asks for that.
func (s *Session) conflate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.announcer() == nil || s.skipping {
		return // or what it has been told would pile up before it takes any of it
	}
	for _, sub := range s.subs {
		if sub.ch.rule == nil || !sub.ch.rule.Latest {
			continue
		}
		s.skipNow(sub, GapConflated, sub.ch.beforeHead())
	}
	if s.skipping = len(s.out) > 0; s.skipping {
		s.countOut()
	}
}

// position returns the session's position on a channel that it has joined, and the zero Position
// for any other channel. The caller holds s.mu.
func (s *Session) position(channel string) engine.Position {
	sub := s.find(channel)
	if sub == nil {
		return engine.Position{}
	}
	return sub.position()
}
