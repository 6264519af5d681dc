package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
)

// ErrSubscribed is returned by [Conn.Subscribe] if the Conn already has a subscription of the
// channel.
var ErrSubscribed = errors.New("this connection already has a subscription of the channel; close it first, or use another Conn")

// SubscribeOptions select the start of a subscription and the events that it receives. The zero
// value receives the messages that are published from now on.
type SubscribeOptions struct {
	// Since is the position to resume from: the Position of the last message that was processed,
	// perhaps by another process. The subscription receives every later message, or a [Gap] for
	// messages that are missing.
	Since string

	// Last is the maximum number of older messages to receive first. If Since is set, Last applies
	// only if the missed messages are no longer kept, and 0 means all messages that are left. After
	// a reconnect, a Gap is always followed by all messages that are left.
	Last int

	// Presence requests the users on the channel, with [Joined] and each [PresenceChange]. The
	// channel's rule must allow it.
	Presence bool

	// Info is shown to other users on the channel if its rule has presence. It may be any value
	// that encoding/json accepts; nil means no info.
	Info any

	// Buffer is the maximum number of events that wait for the loop; 0 means 1024. They may take at
	// most 4 MiB. [Subscription.Events] describes the effect of a full buffer.
	Buffer int
}

// A phase is the state of a subscription on the current connection.
type phase uint8

const (
	idle    phase = iota // not joined
	joining              // the join has no reply yet
	joined
	paused // left because its loop is too slow
)

// A Subscription receives the messages of a channel. Only one loop at a time may range over its
// events. Close is safe for concurrent use.
type Subscription struct {
	// Immutable after Subscribe.
	c       *Conn
	channel string
	o       SubscribeOptions
	info    json.RawMessage
	queue   *queue

	inUse atomic.Bool   // a loop is running
	slow  atomic.Bool   // the phase is paused
	gone  chan struct{} // closed when the subscription has ended
	first chan error    // receives the result of the first join; capacity 1

	// Guarded by Conn.mu.
	phase phase
	begun bool   // a join has succeeded
	at    string // the position after the last queued entry
	over  bool
	wait  backoff       // for refused joins
	again *refusedJoins // makes the next attempt; nil if none is scheduled
}

// Subscribe joins a channel and waits for the server's reply. If the server refuses the join, the
// error is an [Error]. While there is no connection, Subscribe waits for one.
//
// The subscription lasts until it is closed, and survives reconnects. Its events wait for the loop
// over [Subscription.Events], which should begin soon.
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

// Close leaves the channel. The loop over the events receives the remaining events and then
// [ErrClosed].
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

// end ends the subscription. The caller holds mu.
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

// lost records that the channel is not joined any more. The caller holds mu.
func (s *Subscription) lost() {
	s.phase = idle
	s.slow.Store(false)
	if s.again != nil {
		s.again.drop()
		s.again = nil
	}
}

// Events yields the channel's events in order: a [Joined] first and whenever the stream resumes
// after an interruption, messages, and presence if it was requested. Everything else is yielded as
// an error:
//
//   - A *[Gap] takes the place of messages that are not delivered. The loop can continue with the
//     first message after the gap.
//   - Any other error is the last: the cause of the context's end, [ErrClosed] after Close, an
//     [Error] if the server refuses to resume the subscription or the connection, or [ErrInUse] if
//     another loop is running.
//
// A caller that leaves the loop may range over Events again later. No events are lost in between.
//
// Up to Buffer events wait for the loop. If the buffer stays full for half a second, the Conn
// leaves the channel, and joins it again from its position when the buffer is half empty. If calls
// of the same Conn wait for replies, it leaves the channel at once. A slow loop therefore does not
// block other subscriptions or its own calls for long. Its messages wait on the server; if the
// server no longer keeps them, the loop receives a Gap. If the channel has presence, other users
// see such a pause as a leave and a join.
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

// next returns the next entry, or the error that ends the loop.
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
