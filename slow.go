package boreas

import (
	"time"
)

const (
	// maxLags is how often within lagPeriod a session may fall behind the log. One
	// that does so more often can't follow at all: it is sent away for a while, or
	// its recovery would never end.
	maxLags   = 10
	lagPeriod = time.Minute
)

// slowState is what a session has that does not keep up.
type slowState struct {
	since time.Time // when it fell behind the log first, of count times
	count int

	wake     chan struct{} // wakes the catching-up goroutine while it waits for a log; nil before the first time
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
	s.slowState()
	if now.Sub(s.slow.since) > lagPeriod {
		s.slow.since, s.slow.count = now, 0
	}
	s.slow.count++
	return s.slow.count >= maxLags
}

// slowState returns the session's state for a slow client, and allocates it if needed. The caller
// holds mu.
func (s *Session) slowState() *slowState {
	if s.slow == nil {
		s.slow = &slowState{answers: s.held(HeldAnswer)}
	}
	return s.slow
}
