package boreas

import (
	"time"
)

const (
	// maxLags is how many times a session may fall behind the log within lagPeriod. A session that
	// reaches it cannot keep up. It ends, because its recovery would never end.
	maxLags   = 10
	lagPeriod = time.Minute
)

// slowState is the state of a session whose client is slow, or may be. Guarded by Session.mu.
type slowState struct {
	since time.Time // when it fell behind the log, the first of count times
	count int

	wake     chan struct{} // wakes the catching-up goroutine while it waits for a log; nil before the first time
	answered chan struct{} // closed when all answers have been accepted; nil if AwaitAnswered is not waiting

	answers  Held   // for the bytes of out
	written  int    // bytes of out's array that have been written already
	reserved *Held  // for the next answer; nil if nothing is reserved
	upTo     int    // maximum size of the next answer, if known
	giveUp   func() // ends the wait for reserved; nil if nothing waits
}

// fellBehind counts that the session fell behind the log, on any number of channels. It returns
// true if the session must end.
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

// slowState returns the session's slowState, and allocates it if needed. The caller holds mu.
func (s *Session) slowState() *slowState {
	if s.slow == nil {
		s.slow = &slowState{answers: s.held(HeldAnswer)}
	}
	return s.slow
}
