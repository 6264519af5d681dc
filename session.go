package boreas

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
)

// A Session is one connected subscriber, whatever the transport. Its methods may
// be called by many goroutines at once, but for Join, Leave and Authenticate,
// which are its transport's, one at a time.
type Session struct {
	hub    *Hub
	conn   Conn
	format Format

	// alive reports whether the peer has sent something since the last ping; occupied, whether the
	// transport has stopped reading from it.
	alive, occupied atomic.Bool

	// Guarded by registry.mu: its places there. Identity is also guarded by
	// mu: changed under both, read under either.
	number        uint64 // its name among the hub's sessions; the low bits are its slot
	slot          uint8
	personal      bool // format is a PersonalFormat; set by Start
	slotIndex     int32
	identityIndex int32
	identity      *identity
	grant         *access.Grant // what it may do, or did when it ended; nil while it is anonymous

	address netip.Addr // of the peer; invalid if not known. Set by Reserve

	mu     sync.Mutex
	subs   []*subscription
	table  *subTable  // finds subs by name; nil while there are few of them
	out    []byte     // its own bytes, which are written before any publication that has not begun
	cut    *cut       // the publication that was written in part, nil if there is none
	expiry *expiry    // of its token's expiry; nil if the token does not expire
	joined int32      // channels in subs
	sent   int32      // upper bound of the bytes of answers in out; a large first answer counts as 1
	slow   *slowState // state of a slow client; nil if it has always kept up

	started    int64     // when it became live, in nanoseconds since 1970
	since      time.Time // when it became live, or anonymous again
	turn       uint16    // which subscription comes first in the next batch of several
	pinged     bool      // since it became live
	conflating bool      // out holds gaps of the reason conflated
	catchingUp bool      // a goroutine of its own writes; sweepers leave it alone
	ending     bool      // reason is set, it is on no channel; out may hold its last words
	finished   bool      // conn.Finish has been or is being called
	reason     error
	endedAt    time.Time
}

// Start makes a reserved session live: anonymous, on no channel, and from now on
// the hub may write to conn in the format. Greeting, if not nil, returns what is written
// before all else to the session of that name. It is the first method called, and called
// once. Error: [ErrShuttingDown].
func (s *Session) Start(conn Conn, format Format, greeting func(id string) []byte) error {
	s.conn, s.format, s.since = conn, format, time.Now()
	s.started = s.since.UnixNano()
	_, s.personal = format.(SessionFormat)
	s.mu.Lock() // who finds the session from now on waits for the greeting
	if err := s.hub.registry.start(s); err != nil {
		s.mu.Unlock()
		return err
	}
	s.hub.stats.opened.Add(1)
	if greeting == nil {
		s.mu.Unlock()
		return nil
	}
	s.out = greeting(s.ID())
	s.flushNow()
	return nil
}

// ID returns the session's ID, which no other session of the hub has: "s_" and a number in base 32,
// with the hub's Options.Node before the number if it has one. Treat it as opaque; [SessionNode]
// returns the node. It is for people and lists, and no secret.
func (s *Session) ID() string { return sessionID(s.hub.options.Node, s.number) }

// Identity returns who the session authenticated as, "" if it is anonymous.
func (s *Session) Identity() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.identity == nil {
		return ""
	}
	return s.identity.name
}

// User returns how others know the session, "" if it is anonymous.
func (s *Session) User() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user()
}

// user is User for a caller that holds mu.
func (s *Session) user() string {
	if s.identity == nil {
		return ""
	}
	return s.grant.User
}

// Address returns the peer's address, invalid if it is not known.
func (s *Session) Address() netip.Addr { return s.address }

// Grant returns what the session may do, nil if it is anonymous or has ended.
func (s *Session) Grant() *access.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil
	}
	return s.grant
}

// LastGrant is Grant that also tells what a session had when it ended.
func (s *Session) LastGrant() *access.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grant
}

// Reason returns why the session has ended, nil while it has not.
func (s *Session) Reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// notices returns the session's format if that can tell what happens, and nil if not.
func (s *Session) notices() NoticeFormat {
	a, _ := s.format.(NoticeFormat)
	return a
}

// PublishOptions are the options of [Session.Publish]. The zero value works.
type PublishOptions struct {
	// NoEcho means that the session does not receive the message itself.
	NoEcho bool
}

// Publish publishes a message for the session, if the channel's rule and its grant allow it. It
// sets the message's Sender and Publisher. Errors: those of [Hub.MayPublish] and [Hub.Publish].
func (s *Session) Publish(ctx context.Context, channel string, m engine.Message, o PublishOptions) (engine.Ack, error) {
	g := s.Grant()
	if err := s.hub.MayPublish(g, channel); err != nil {
		return engine.Ack{}, err
	}
	if len(m.Key) > engine.MaxKey {
		return engine.Ack{}, ErrKey
	}
	m.Publisher = g.Publisher(s.address)
	if !o.NoEcho {
		m.Sender = 0
		return s.hub.publish(ctx, forSession, channel, m)
	}
	m.Sender = s.number
	// Before it is published: it may be delivered before the engine has answered.
	sub := s.publishing(channel)
	ack, err := s.hub.publish(ctx, forSession, channel, m)
	if sub != nil {
		offset := ack.Position.Offset
		if err != nil || ack.Duplicate {
			offset = 0
		}
		s.mu.Lock()
		sub.published(offset)
		s.mu.Unlock()
	}
	return ack, err
}

// publishing records that a publication that the session does not want back is under way. It
// returns the session's subscription to the channel, or nil if it has not joined it.
func (s *Session) publishing(channel string) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.find(channel)
	if sub != nil {
		sub.publishing++
	}
	return sub
}

// sayGoodbye tells the session, if it can be told, that it will end for the reason
// within the time given.
func (s *Session) sayGoodbye(reason error, within time.Duration) {
	s.mu.Lock()
	a := s.notices()
	if s.ending || a == nil {
		s.mu.Unlock()
		return
	}
	s.out = a.AppendGoodbye(s.out, reason, within)
	s.flushNow()
}

// Alive notes that the peer sent something, so that it is known to be alive.
func (s *Session) Alive() {
	if !s.alive.Load() {
		s.alive.Store(true)
	}
}

// Occupied sets whether the transport is processing the peer's requests without reading further.
// While it is, the peer's answer to a ping may have arrived unread.
func (s *Session) Occupied(now bool) { s.occupied.Store(now) }

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
	if !s.catchingUp {
		s.flushOnce()
	}
	d := s.beginEnd(reason)
	s.out = s.format.AppendEnd(s.out, reason)
	s.flushNow()
	s.hub.drop(d)
}

// Lost ends the session without last words, for a connection that is gone.
func (s *Session) Lost(reason error) { s.finish(reason) }

// Done tells that the session's connection is closed. The transport calls it once,
// after the session has ended, or if it was never started.
func (s *Session) Done() { s.hub.registry.done(s.address) }

// beginEnd marks the session as ending. The caller holds mu, and then, without it,
// drops what is returned.
func (s *Session) beginEnd(reason error) departure {
	s.ending, s.reason, s.endedAt = true, reason, time.Now()
	s.allAnswered()
	if s.slow != nil && s.slow.giveUp != nil {
		s.slow.giveUp()
	}
	s.setExpiry(nil)
	d := s.depart(comesBack(reason))
	s.hub.registry.ended(s)
	s.hub.stats.end(reason)
	return d
}

// comesBack tells whether a session that ended for the reason is likely to be back in
// a moment: it did not leave, and was not sent away.
func comesBack(reason error) bool {
	for _, final := range []error{ErrLeft, ErrMisbehaved, ErrRevoked, ErrTerminated, ErrAnonymousTimeout} {
		if errors.Is(reason, final) {
			return false
		}
	}
	return true
}

// finish hands the session back to its transport.
func (s *Session) finish(reason error) {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return
	}
	said := s.ending && len(s.out) == 0 && s.cut == nil
	var d departure
	if !s.ending {
		d = s.beginEnd(reason)
	}
	s.finished = true
	s.wake()
	s.wrote(len(s.out))
	s.unreserve()
	s.uncut()
	s.hub.registry.finished(s)
	reason = s.reason
	s.mu.Unlock()
	s.hub.drop(d)
	s.conn.Finish(reason, said)
}

// ping asks the peer for a sign of life, unless the session is younger than half
// an interval: that is one already. One that was promised to hear something in each
// interval is pinged all the same.
func (s *Session) ping(interval time.Duration) {
	s.mu.Lock()
	young := !s.pinged && time.Since(s.since) < interval/2 && s.notices() == nil
	if s.ending || young {
		s.mu.Unlock()
		return
	}
	s.pinged = true
	s.alive.Store(false)
	s.hub.stats.pings.Add(1)
	s.out = s.format.AppendPing(s.out)
	s.flushNow()
}

// checkPong ends the session if nothing was heard since the last ping.
func (s *Session) checkPong() {
	s.mu.Lock()
	if s.pinged && !s.alive.Load() && !s.occupied.Load() {
		s.endNow(ErrPingTimeout)
		return
	}
	s.mu.Unlock()
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
