package boreas

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxBacklog is how many bytes of answers and control frames wait for a session
// that does not read. It says that a client asks faster than it listens.
const maxBacklog = 64 << 10

// A Session is one connected subscriber, whatever the transport. Its methods may
// be called by many goroutines at once, but for Join, Leave and Authenticate,
// which are its transport's, one at a time.
type Session struct {
	hub    *Hub
	conn   Conn
	format Format

	// heard tells that the peer sent something since the last ping.
	heard atomic.Bool

	// Guarded by registry.mu: its places there. Identity is also guarded by
	// mu: changed under both, read under either.
	slot          uint8
	slotIndex     int32
	identityIndex int32
	identity      *identity

	mu   sync.Mutex
	subs []*subscription
	out  []byte // its own bytes, which come before any publication not yet begun
	cut  *cut   // the publication that was written in part, nil if there is none
	turn uint16 // which subscription comes first in the next batch of several
	sent int32  // bytes that Send queued since out was last empty

	since    time.Time // when it became live, or anonymous again
	pinged   bool      // since it became live
	draining bool      // a goroutine of its own writes; sweepers leave it alone
	ending   bool      // reason is set, it is on no channel; out may hold its last words
	finished bool      // conn.Finish has been or is being called
	reason   error
	endedAt  time.Time
}

// Start makes a reserved session live: anonymous, on no channel, and from now on
// the hub may write to conn in the format. It is the first method called, and called
// once. Error: [ErrShuttingDown].
func (s *Session) Start(conn Conn, format Format) error {
	s.conn, s.format, s.since = conn, format, time.Now()
	if err := s.hub.registry.start(s); err != nil {
		return err
	}
	s.hub.stats.opened.Add(1)
	return nil
}

// Identity returns who the session authenticated as, "" if it is anonymous.
func (s *Session) Identity() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.identity == nil {
		return ""
	}
	return s.identity.name
}

// Authenticate makes the session one of the identity's, which must not be empty. It
// keeps its channels.
func (s *Session) Authenticate(identity string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ending {
		s.hub.registry.identify(s, identity)
	}
}

// Deauthenticate makes the session anonymous, which takes it off its channels.
func (s *Session) Deauthenticate() { s.deauthenticate("") }

// deauthenticate returns false if the session is not one of the identity's (any
// more); "" means whoever it is.
func (s *Session) deauthenticate(identity string) bool {
	s.mu.Lock()
	if s.ending || s.identity == nil || identity != "" && s.identity.name != identity {
		s.mu.Unlock()
		return false
	}
	s.hub.registry.identify(s, "")
	s.since = time.Now()
	subs := s.detach()
	s.mu.Unlock()
	s.hub.drop(subs)
	return true
}

// Join subscribes the session to the channel, from now on. Joining twice is joining
// once. Errors: [ErrChannelName], [ErrAnonymous], [ErrTooManyChannels],
// [ErrClosed] if it has ended, and those of the engine's Follow.
func (s *Session) Join(channel string) error {
	if err := ValidChannel(channel); err != nil {
		return err
	}
	s.mu.Lock()
	joined, err := s.find(channel) >= 0, s.mayJoin()
	s.mu.Unlock()
	switch {
	case joined:
		return nil
	case err == ErrTooManyChannels:
		s.hub.stats.joinsRefused.Add(1)
		return err
	case err != nil:
		return err
	}
	// Without the lock, because an engine may take its time.
	ch, err := s.hub.acquire(channel)
	if err != nil {
		return err
	}
	sub := &subscription{session: s, ch: ch}
	s.mu.Lock()
	if err := s.mayJoin(); err != nil { // what may have changed meanwhile
		s.mu.Unlock()
		s.hub.release(ch)
		return err
	}
	// Before the channel knows of it, so that a sweeper that visits the session
	// finds it there.
	s.subs = append(s.subs, sub)
	ch.add(sub)
	s.mu.Unlock()
	return nil
}

func (s *Session) mayJoin() error {
	switch {
	case s.ending:
		return ErrClosed
	case s.identity == nil:
		return ErrAnonymous
	case len(s.subs) >= s.hub.options.MaxChannels:
		return ErrTooManyChannels
	}
	return nil
}

// Leave takes the session off the channel. When it has returned, nothing more of
// the channel is sent, but for the rest of a message already begun.
func (s *Session) Leave(channel string) {
	s.mu.Lock()
	i := s.find(channel)
	if i < 0 {
		s.mu.Unlock()
		return
	}
	sub := s.subs[i]
	s.subs = slices.Delete(s.subs, i, i+1)
	s.mu.Unlock()
	s.hub.drop([]*subscription{sub})
}

func (s *Session) find(channel string) int {
	return slices.IndexFunc(s.subs, func(sub *subscription) bool { return sub.ch.name == channel })
}

// detach takes the subscriptions away from the session. The caller holds mu, and
// then, without it, drops them.
func (s *Session) detach() []*subscription {
	subs := s.subs
	s.subs = nil
	return subs
}

// drop takes subscriptions out of their channels.
func (h *Hub) drop(subs []*subscription) {
	for _, sub := range subs {
		sub.ch.remove(sub)
		h.release(sub.ch)
	}
}

// Heard notes that the peer sent something, so that it is known to be alive.
func (s *Session) Heard() {
	if !s.heard.Load() {
		s.heard.Store(true)
	}
}

// Send writes bytes of the transport's own (answers, control frames) to the
// session, before any publication not yet begun. They are copied. A session that
// lets too many of them wait is ended with [ErrBacklog].
func (s *Session) Send(p []byte) {
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		return
	}
	if s.sent+int32(len(p)) > maxBacklog {
		s.mu.Unlock()
		s.End(ErrBacklog)
		return
	}
	s.sent += int32(len(p))
	s.out = append(s.out, p...)
	s.flushNow()
}

// End writes what the session has coming, as far as one write goes, takes it off
// all channels, writes the last words that its format has for the reason, and then
// finishes its connection. It does not wait. A session ends once: the first reason
// counts.
func (s *Session) End(reason error) {
	s.mu.Lock()
	s.endNow(reason)
}

// endNow is End for a caller that holds s.mu; it unlocks it.
func (s *Session) endNow(reason error) {
	if s.ending {
		s.mu.Unlock()
		return
	}
	if !s.draining {
		s.flushOnce()
	}
	subs := s.beginEnd(reason)
	s.out = s.format.AppendEnd(s.out, reason)
	s.flushNow()
	s.hub.drop(subs)
}

// Lost ends the session without last words, for a connection that is gone.
func (s *Session) Lost(reason error) { s.finish(reason) }

// Done tells that the session's connection is closed. The transport calls it once,
// after the session has ended, or if it was never started.
func (s *Session) Done() { s.hub.registry.done() }

// beginEnd marks the session as ending. The caller holds mu, and then, without it,
// drops the subscriptions returned.
func (s *Session) beginEnd(reason error) []*subscription {
	s.ending, s.reason, s.endedAt = true, reason, time.Now()
	s.hub.registry.ended(s)
	s.hub.stats.end(reason)
	return s.detach()
}

// finish hands the session back to its transport.
func (s *Session) finish(reason error) {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return
	}
	said := s.ending && len(s.out) == 0 && s.cut == nil
	var subs []*subscription
	if !s.ending {
		subs = s.beginEnd(reason)
	}
	s.finished = true
	s.out, s.cut = nil, nil
	s.hub.registry.finished(s)
	reason = s.reason
	s.mu.Unlock()
	s.hub.drop(subs)
	s.conn.Finish(reason, said)
}

// ping asks the peer for a sign of life, unless the session is younger than half
// an interval: that is one already.
func (s *Session) ping(interval time.Duration) {
	s.mu.Lock()
	if s.ending || !s.pinged && time.Since(s.since) < interval/2 {
		s.mu.Unlock()
		return
	}
	s.pinged = true
	s.heard.Store(false)
	s.hub.stats.pings.Add(1)
	s.out = s.format.AppendPing(s.out)
	s.flushNow()
}

// checkPong ends the session if nothing was heard since the last ping.
func (s *Session) checkPong() {
	s.mu.Lock()
	if s.pinged && !s.heard.Load() {
		s.endNow(ErrPingTimeout)
		return
	}
	s.mu.Unlock()
}

// checkAnonymous ends the session if it has been anonymous for longer than that.
func (s *Session) checkAnonymous(limit time.Duration) {
	s.mu.Lock()
	if s.identity == nil && time.Since(s.since) > limit {
		s.endNow(ErrAnonymousTimeout)
		return
	}
	s.mu.Unlock()
}
