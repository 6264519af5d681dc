package boreas

import (
	"bytes"
	"context"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// maxBacklog is the maximum number of bytes of answers that may wait behind an unread one. A client
// over this limit sends requests faster than it reads.
const maxBacklog = 64 << 10

// answerTimeout is how long a client may take to read its answers.
const answerTimeout = time.Minute

// Reserve reserves memory for the session's next answer, which has at most n bytes, and waits if
// there is none. The answer is the next [Session.Send] or the answer of the next [Session.Join]. If
// there is no answer, the transport calls Unreserve. Answers of up to [HeldFree] bytes need no
// Reserve. Reserve returns [ErrPeerMemory] after 10 seconds, or when ctx or the session ends.
func (s *Session) Reserve(ctx context.Context, n int) error {
	if counted(n) == 0 {
		return nil
	}
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		return engine.ErrClosed
	}
	st := s.slowState()
	if st.reserved == nil {
		held := s.held(HeldAnswer)
		st.reserved = &held
	}
	reserved := st.reserved
	st.upTo = n
	s.mu.Unlock()
	err := s.Hold(ctx, reserved, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && st.reserved != reserved {
		reserved.Keep(0) // the session had ended, and had released its memory, just before this memory came
	} else if err == nil && s.finished { // nothing else releases it
		s.unreserve()
	}
	return err
}

// Hold is like [Held.Wait], but ends also when the session ends. One goroutine at a time may wait.
func (s *Session) Hold(ctx context.Context, held *Held, n int) error {
	if held.Try(n) {
		return nil
	}
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		return engine.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st := s.slowState()
	st.giveUp = cancel
	s.mu.Unlock()
	err := held.Wait(ctx, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	st.giveUp = nil
	return err
}

// reserveMore reserves n more bytes for the next answer without waiting. The caller holds mu.
func (s *Session) reserveMore(n int) error {
	st := s.slowState()
	if st.reserved == nil {
		held := s.held(HeldAnswer)
		st.reserved = &held
	}
	if err := st.reserved.Set(st.upTo + n); err != nil {
		return err
	}
	st.upTo += n
	return nil
}

// Unreserve releases the bytes that Reserve has reserved, if there was no answer.
func (s *Session) Unreserve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreserve()
}

// unreserve is Unreserve for a caller that holds mu.
func (s *Session) unreserve() {
	if s.slow != nil && s.slow.reserved != nil {
		s.slow.reserved.release()
		s.slow.reserved, s.slow.upTo = nil, 0
	}
}

// Send writes the transport's own bytes, such as answers and control frames, to the session, before
// any publication that has not begun. Send copies p. The hub ends the session with [ErrBacklog] if
// too many bytes wait, and with [ErrPeerMemory] if there is no memory for them.
func (s *Session) Send(p []byte) {
	s.mu.Lock()
	if s.gathered && len(s.out)+len(p) > HeldFree {
		s.gathering, s.gathered = false, false
		s.flushNow()
		s.mu.Lock()
	}
	if s.ending {
		s.unreserve()
		s.mu.Unlock()
		return
	}
	if err := s.mayAnswer(len(p)); err != nil {
		s.endNow(err)
		return
	}
	s.out = append(s.out, p...)
	s.flushNow()
}

// Gather makes the session leave its writes to [Session.Flush], as long as its own bytes are few. So
// the answers to several requests that have arrived together take one write. Sweepers write to the
// session nevertheless. The transport must call Flush soon, and before anything that may wait.
func (s *Session) Gather() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gathering = true
}

// Flush ends [Session.Gather] and writes the session's pending data.
func (s *Session) Flush() {
	s.mu.Lock()
	gathered := s.gathered
	s.gathering, s.gathered = false, false
	if !gathered {
		s.mu.Unlock()
		return
	}
	s.flushNow()
}

// mayAnswer counts n bytes of answers that are about to be added to out. The first answer may have
// any size for which there is memory; the answers that wait behind it are limited. The caller holds
// s.mu. Errors: [ErrBacklog], [ErrPeerMemory].
func (s *Session) mayAnswer(n int) error {
	if s.sent > 0 && int(s.sent)+n > maxBacklog {
		return ErrBacklog
	}
	if err := s.holdAnswers(len(s.out) + n); err != nil {
		return err
	}
	if s.sent == 0 && n > maxBacklog {
		n = 1 // a page of history: only the bytes after it count
	}
	s.sent += int32(n)
	return nil
}

// holdAnswers records that out has n bytes, and uses the reserved memory for them. The caller holds
// s.mu.
func (s *Session) holdAnswers(n int) error {
	if s.slow == nil && counted(n) == 0 {
		return nil
	}
	st := s.slowState()
	if st.reserved != nil {
		st.answers.take(st.reserved)
		st.reserved, st.upTo = nil, 0
	}
	return st.answers.Set(n)
}

// wrote removes n bytes, which the connection has accepted, from out. The caller holds s.mu.
func (s *Session) wrote(n int) {
	if s.compressed != nil && n > 0 {
		s.compressed.other()
	}
	if n == len(s.out) {
		s.out, s.conflating = nil, false
		if s.slow != nil {
			s.slow.answers.Keep(0)
			s.slow.written = 0
		}
		s.allAnswered()
		return
	}
	s.out = s.out[n:]
	s.sent = min(s.sent, int32(len(s.out)))
	st := s.slowState()
	if st.written += n; st.written > len(s.out) || n > 0 && len(s.out) <= HeldFree {
		// Not at each write: a page would be copied once for each part that the connection accepts.
		s.out, st.written = bytes.Clone(s.out), 0
	}
	s.countOut()
}

// countOut counts the array of out, even over the limits. The caller holds s.mu.
func (s *Session) countOut() {
	st := s.slowState()
	st.answers.Keep(st.written + cap(s.out))
}

// Answered reports whether the connection has accepted all bytes that Send queued, except those that
// wait for [Session.Flush].
func (s *Session) Answered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent == 0 || s.gathered && !s.catchingUp
}

// AwaitAnswered waits until the connection has accepted all bytes that Send queued, or the session
// has ended. After a minute it ends the session with [ErrBacklog]. One goroutine at a time may
// wait.
func (s *Session) AwaitAnswered() {
	s.mu.Lock()
	if s.sent == 0 || s.ending {
		s.mu.Unlock()
		return
	}
	answered := make(chan struct{})
	s.slowState().answered = answered
	s.mu.Unlock()
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
		s.End(ErrBacklog)
	}
}

// allAnswered wakes the goroutine in AwaitAnswered. The caller holds mu.
func (s *Session) allAnswered() {
	s.sent = 0
	if s.slow != nil && s.slow.answered != nil {
		close(s.slow.answered)
		s.slow.answered = nil
	}
}
