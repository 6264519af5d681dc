package boreas

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// A Session is one connected subscriber. A transport gets it from [Hub.Reserve], makes it live with
// [Session.Start], and calls [Session.Done] once the connection is closed.
//
// Its methods may be called by many goroutines at once, except for Join, Leave and Authenticate:
// only the transport may call them, one at a time.
type Session struct {
	// Immutable after Hub.Reserve.
	hub     *Hub
	address netip.Addr // of the client; invalid if unknown

	// Immutable after Start.
	conn     Conn
	format   Format
	personal bool   // format is a SessionFormat
	slot     uint8  // in the registry
	number   uint64 // identifies the session in the hub; the low bits are its slot
	started  int64  // when it became live, in nanoseconds since 1970

	alive    atomic.Bool // the client has sent something since the last ping
	occupied atomic.Bool // the transport does not read from the client now
	done     atomic.Bool // Done has been called

	// Guarded by registry.mu.
	slotIndex     int32 // in registry.slots[slot]
	identityIndex int32 // in identity.sessions

	// Written with mu and registry.mu held, read with either.
	identity *identity
	grant    *access.Grant // nil while it is anonymous; after the end, the grant that it had

	mu         sync.Mutex // guards the fields below
	subs       []*subscription
	table      *subTable    // finds subs by name; nil while there are few of them
	out        []byte       // its own bytes, which are written before any publication that has not begun
	cut        *cut         // the partly written publication, nil if there is none
	compressed *compression // nil if the format does not compress
	expiry     *expiry      // of its grant; nil if the grant does not expire
	joined     int32        // number of channels in subs
	sent       int32        // upper bound of the bytes of answers in out; a large first answer counts as 1
	slow       *slowState   // state of a slow client; nil if the client has always kept up
	since      time.Time    // when it became live, or anonymous again
	turn       uint16       // which subscription comes first in the next batch of several
	pinged     bool         // since it became live
	conflating bool         // out has gaps with the reason conflated
	catchingUp bool         // a goroutine of its own writes to it, and sweepers do not
	gathering  bool         // Gather has been called, and Flush has not
	gathered   bool         // a write has been left to Flush
	ending     bool         // reason is set, and it is on no channel; out may have its final bytes
	finished   bool         // conn.Finish has been called or is about to be
	blocked    uint32       // since when the connection accepts no byte, see blockedNow; 0 if it accepts them
	gaps       uint32       // number of gaps so far
	delivered  uint64       // number of messages written so far
	reason     error
	endedAt    clock.Mono
}

// Start makes a reserved session live: it is anonymous and on no channel, and from now on the hub
// may write to conn in the format. If greeting is not nil, it returns the bytes that are written
// first, for the session with this ID. Start must be the first method called, and called once.
// Error: [ErrShuttingDown].
func (s *Session) Start(conn Conn, format Format, greeting func(id string) []byte) error {
	s.conn, s.format, s.since = conn, format, time.Now()
	s.started = s.since.UnixNano()
	_, s.personal = format.(SessionFormat)
	if f, ok := format.(CompressedFormat); ok {
		s.compressed = &compression{format: f}
	}
	s.mu.Lock() // a goroutine that finds the session from now on waits for the greeting
	if err := s.hub.registry.start(s); err != nil {
		s.mu.Unlock()
		return err
	}
	s.hub.stats.opened.Add(1)
	s.tellOpened()
	if greeting == nil {
		s.mu.Unlock()
		return nil
	}
	s.out = greeting(s.ID())
	s.flushNow()
	return nil
}

// ID returns the session's ID, which no other session of the hub has: "s_" and a number in base 32,
// with the hub's Options.Node before the number if it is set. Treat the ID as opaque; [SessionNode]
// returns the node. The ID is for people and lists, and is not secret.
func (s *Session) ID() string { return sessionID(s.hub.options.Node, s.number) }

// Identity returns the identity of the session's grant, "" if the session is anonymous.
func (s *Session) Identity() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.identity == nil {
		return ""
	}
	return s.identity.name
}

// User returns the name under which other clients see the session, "" if it is anonymous.
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

// Address returns the client's address; it is invalid if unknown.
func (s *Session) Address() netip.Addr { return s.address }

// Grant returns the session's grant, nil if the session is anonymous or has ended.
func (s *Session) Grant() *access.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil
	}
	return s.grant
}

// LastGrant is like Grant, but after the end it returns the grant that the session had.
func (s *Session) LastGrant() *access.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grant
}

// Reason returns the reason why the session has ended, nil while it is live.
func (s *Session) Reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// notices returns the session's format if it is a NoticeFormat, otherwise nil.
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
		return s.hub.publish(ctx, s, channel, m)
	}
	m.Sender = s.number
	// Before the publish, because the message may be delivered before the engine has answered.
	sub := s.publishing(channel)
	ack, err := s.hub.publish(ctx, s, channel, m)
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

// publishing records that a message that the session does not want back is being published. It
// returns the session's subscription to the channel, or nil if the session has not joined it.
func (s *Session) publishing(channel string) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.find(channel)
	if sub != nil {
		sub.publishing++
	}
	return sub
}

// sayGoodbye tells the client, if its format allows that, that the session will end for the reason
// within the given time.
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

// Alive records that the client has sent something, so that the session does not time out.
func (s *Session) Alive() {
	if !s.alive.Load() {
		s.alive.Store(true)
	}
}

// Occupied sets whether the transport is processing requests and does not read further. Meanwhile
// the session does not time out, because the client's answer to a ping may not have been read.
func (s *Session) Occupied(now bool) { s.occupied.Store(now) }

// End makes one write of the session's pending data, takes the session off all channels, writes the
// final bytes that its format has for the reason, and then finishes the connection. It does not
// wait for the writing. Only the first call has an effect.
func (s *Session) End(reason error) {
	s.mu.Lock()
	s.endNow(reason)
}

// endNow is End for a caller that holds s.mu; endNow unlocks it.
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

// Lost ends the session without final bytes, because its connection is lost.
func (s *Session) Lost(reason error) { s.finish(reason) }

// Done reports that the session's connection is closed. The transport calls it after the session has
// ended, or if it was never started. Further calls have no effect.
func (s *Session) Done() {
	if s.done.CompareAndSwap(false, true) {
		s.hub.registry.done(s.address)
	}
}

// beginEnd marks the session as ending. The caller holds mu. After unlocking mu it must drop the
// departure.
func (s *Session) beginEnd(reason error) departure {
	s.ending, s.reason, s.endedAt = true, reason, clock.Now()
	s.allAnswered()
	if s.slow != nil && s.slow.giveUp != nil {
		s.slow.giveUp()
	}
	s.setExpiry(nil)
	d := s.depart(comesBack(reason))
	s.tell(tail.Event{Kind: tail.Ended, Reason: reason})
	s.hub.registry.ended(s)
	s.hub.stats.end(reason)
	return d
}

// comesBack reports whether a session that ended for the reason is likely to reconnect soon: the
// client did not leave, and was not sent away.
func comesBack(reason error) bool {
	for _, final := range []error{ErrLeft, ErrMisbehaved, ErrRevoked, ErrTerminated, ErrAnonymousTimeout} {
		if errors.Is(reason, final) {
			return false
		}
	}
	return true
}

// finish ends the session, if it has not ended yet, and calls its connection's Finish.
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

// ping pings the client, unless the session is younger than half an interval, because the client
// has just been heard from. A session with notices is pinged in any case: its client was promised
// bytes in each interval.
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

// checkPong ends the session if nothing has come from the client since the last ping.
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
