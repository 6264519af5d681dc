package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
)

// ErrSubscribed is what a second [Conn.Subscribe] of a channel fails with.
var ErrSubscribed = errors.New("there is a subscription of this channel on this connection already; close it first, or use another Conn")

// SubscribeOptions are the start of a subscription and the kinds of events that it receives. The
// zero value receives the messages that are published from now on.
type SubscribeOptions struct {
	// Since is the position to resume from: the position of the last processed message, perhaps
	// processed by another process. The subscription receives every later message, or a [Gap] for
	// the missing ones.
	Since string

	// Last is the maximum number of the newest messages that come first. With Since it applies only
	// if the missed messages are no longer kept; in that case 0 means all that are left. After a
	// reconnect, a gap is always followed by all messages that are left.
	Last int

	// Presence asks for who is on the channel, in [Joined] and each
	// [PresenceChange]. The channel's rule must allow it.
	Presence bool

	// Info is what others are shown of us on the channel, if its rule has
	// presence: any value that encoding/json takes; nil for nothing.
	Info any

	// Buffer is how many events may wait for the loop; 0 means 1024. There may be
	// 4 MiB of them at most. See [Subscription.Events] for what happens then.
	Buffer int
}

// A phase is how far a subscription is on the present connection.
type phase uint8

const (
	idle    phase = iota // not joined
	joining              // asked for
	joined
	paused // left, because its loop is too slow
)

// A Subscription gets the messages of a channel. Only one loop at a time may range
// over its events; Close may be called by any goroutine.
type Subscription struct {
	c       *Conn
	channel string
	o       SubscribeOptions
	info    json.RawMessage
	queue   *queue

	inUse atomic.Bool   // a loop is under way
	slow  atomic.Bool   // the phase is paused
	gone  chan struct{} // closed when the subscription has ended
	first chan error    // gets what came of the first join; capacity 1

	// Guarded by the Conn's mutex.
	phase phase
	begun bool   // a join has succeeded
	at    string // the place after what the queue was given last
	over  bool
	wait  backoff       // for joins that are refused
	again *refusedJoins // makes the next attempt, if there is one to come
}

// Subscribe joins a channel, and returns when the server has answered: with an
// [Error] if it refused. While there is no connection it waits for one.
//
// The subscription goes on until it is closed, over as many connections as it
// takes. What comes is kept for the loop over [Subscription.Events], which should
// begin soon.
func (c *Conn) Subscribe(ctx context.Context, channel string, o SubscribeOptions) (*Subscription, error) {
	op := fmt.Sprintf("join %q", channel)
	if err := checkChannel(channel); err != nil {
		return nil, err
	}
	if o.Last < 0 || o.Buffer < 0 {
		return nil, fmt.Errorf("%s: Last and Buffer can't be negative", op)
	}
	o.Last = min(o.Last, allThatIsLeft)
	if o.Buffer == 0 {
		o.Buffer = defaultBuffer
	}
	s := &Subscription{
		c: c, channel: channel, o: o, queue: newQueue(o.Buffer), gone: make(chan struct{}),
		first: make(chan error, 1), at: o.Since,
		wait: backoff{base: c.o.MinBackoff, max: c.o.MaxBackoff, random: c.random},
	}
	if o.Info != nil {
		info, err := payloadOf(o.Info)
		if err != nil {
			return nil, fmt.Errorf("%s: info: %w", op, err)
		}
		s.info = info
	}

	c.mu.Lock()
	err := c.Err()
	if err == nil && c.subs[channel] != nil {
		err = ErrSubscribed
	}
	if err != nil {
		c.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	c.subs[channel] = s
	c.join(s)
	c.mu.Unlock()

	select {
	case err := <-s.first:
		switch {
		case err == nil:
			return s, nil
		case c.Err() != nil:
			return nil, fmt.Errorf("%s: %w", op, c.Err())
		}
		return nil, err
	case <-ctx.Done():
		s.Close()
		return nil, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
}

// Channel returns the channel's name.
func (s *Subscription) Channel() string { return s.channel }

// Close leaves the channel. The loop over the events gets those that have come
// already and then [ErrClosed].
func (s *Subscription) Close() {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.over {
		return
	}
	if s.phase == joining || s.phase == joined {
		c.leave(s)
	}
	s.end(ErrClosed)
	delete(c.subs, s.channel)
}

// end ends the subscription. Called with mu held.
func (s *Subscription) end(err error) {
	if s.over {
		return
	}
	s.over = true
	s.lost()
	close(s.gone)
	select {
	case s.first <- err:
	default: // Subscribe has returned
	}
	s.queue.finish(err)
}

// lost tells that the channel is not joined any more. Called with mu held.
func (s *Subscription) lost() {
	s.phase = idle
	s.slow.Store(false)
	if s.again != nil {
		s.again.drop()
		s.again = nil
	}
}

// Events yields what comes on the channel, in the order of the channel: messages,
// [Joined] first of all and whenever the stream goes on after an interruption, and
// presence if it was asked for. Everything else is yielded as an error:
//
//   - A *[Gap] stands in the place of messages that are not delivered. The loop can
//     go on: the next message is the first one after the gap.
//   - Anything else is the last: why the context ended, [ErrClosed] after Close, an
//     [Error] if the server does not let us back on the channel or the connection,
//     [ErrInUse] if another loop is under way.
//
// A loop that was left can be entered again later: nothing is lost in between.
//
// Up to Buffer events wait for the loop. When it is so slow that they are that many for
// half a second, or at once while calls of the same Conn wait for their answers, the
// channel is left, and joined again at its place as soon as half of them are dealt
// with. So a slow loop holds nobody up for long, itself included when it makes calls,
// and its messages wait at the server. Those that are no longer kept there when the
// loop gets to them are told as a Gap. Where the channel has presence, others see such
// a pause as a leave and a join.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if !s.inUse.CompareAndSwap(false, true) {
			yield(nil, ErrInUse)
			return
		}
		defer s.inUse.Store(false)
		for {
			e, end := s.next(ctx)
			if end != nil {
				yield(nil, end)
				return
			}
			if !yield(e.event, e.err) {
				return
			}
		}
	}
}

// next returns the next entry, or why there is none.
func (s *Subscription) next(ctx context.Context) (entry, error) {
	for {
		if ctx.Err() != nil {
			return entry{}, context.Cause(ctx)
		}
		e, ok, end := s.queue.take()
		if s.slow.Load() && s.queue.relaxed() {
			s.c.resume(s)
		}
		if ok || end != nil {
			return e, end
		}
		select {
		case <-s.queue.ready:
		case <-ctx.Done():
		}
	}
}
