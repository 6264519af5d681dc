package client

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// joinBytes bounds a join request if the server does not send a limit.
	joinBytes = 48 << 10
	// joinMembers is an upper bound for the bytes of a channel in a join request, without its name,
	// position and info.
	joinMembers = 100

	// allThatIsLeft is more messages than any server keeps per channel.
	allThatIsLeft = 1<<31 - 1

	// patience is how long a full queue may hold up the connection.
	patience = 500 * time.Millisecond
)

// last returns how many messages to request first if the messages after s.at are gone (clause
// 4.8): all that are left, unless the caller set a number at the beginning. The caller holds mu.
func (s *Subscription) last() int {
	if s.begun || s.at != "" && s.o.Last == 0 {
		return allThatIsLeft
	}
	return s.o.Last
}

// joinAll joins the channels of all subscriptions on a new connection, each from its position. The
// caller holds mu.
func (c *Conn) joinAll() {
	names := slices.Sorted(maps.Keys(c.subs))
	limit := c.link.hello.Limits.FrameBytes
	if limit <= 0 {
		limit = joinBytes
	}
	var batch []*Subscription
	size := joinMembers
	for _, name := range names {
		s := c.subs[name]
		if !s.queue.relaxed() {
			s.pause()
			continue
		}
		more := escapedMax*(len(name)+len(s.at)) + len(s.info) + joinMembers
		if len(batch) > 0 && size+more > limit {
			c.join(batch...)
			batch, size = nil, joinMembers
		}
		batch, size = append(batch, s), size+more
	}
	if len(batch) > 0 {
		c.join(batch...)
	}
}

// join sends a join request for the subscriptions, if there is a connection. The caller holds mu.
func (c *Conn) join(subs ...*Subscription) {
	if c.link == nil {
		return
	}
	var request joinRequest
	var since []string
	for _, s := range subs {
		s.phase = joining
		s.slow.Store(false)
		since = append(since, s.at)
		request.Channels = append(request.Channels, joinChannel{
			Channel: s.channel, Since: s.at, Last: s.last(), Presence: s.o.Presence, Info: s.info,
		})
	}
	l := c.link
	l.joins++
	c.request("join", request, func(f *frame, err error) {
		if err == nil || errors.As(err, new(*Error)) {
			l.answered(1)
		}
		var refusal *Error
		if errors.As(err, &refusal) && refusal.Retry == "never" && len(subs) > 1 {
			c.joinHalves(subs)
			return
		}
		var again refusedJoins
		for i, s := range subs {
			if s.phase != joining {
				continue // it was closed, or the connection was lost
			}
			result, err := f.joinResult(i, s.channel, err)
			if err != nil {
				c.refuse(s, err, &again)
				continue
			}
			s.begin(since[i], result)
		}
		again.later(c)
	})
}

// joinHalves retries a join that was refused as a whole because of one of its subscriptions. It
// joins the subscriptions in two halves, which isolates the refused one and joins the others. The
// caller holds mu.
func (c *Conn) joinHalves(subs []*Subscription) {
	subs = slices.DeleteFunc(subs, func(s *Subscription) bool { return s.phase != joining })
	half := (len(subs) + 1) / 2
	for _, some := range [][]*Subscription{subs[:half], subs[half:]} {
		if len(some) > 0 {
			c.join(some...)
		}
	}
}

// leave sends a leave request for a channel. The caller holds mu.
func (c *Conn) leave(s *Subscription) {
	l := c.link
	if l == nil {
		return
	}
	c.request("leave", leaveRequest{[]string{s.channel}}, func(_ *frame, err error) {
		if err != nil {
			// The request was over the rate limit (clause 2.9). While the server still has the
			// channel joined, the client cannot join it from a position. So start again with a new
			// connection.
			l.fail(err)
		}
	})
}

// request sends a request that is not repeated on a later connection. The caller holds mu.
func (c *Conn) request(kind string, params any, answer func(*frame, error)) {
	a, err := c.newAsk(kind, kind, params)
	if err != nil {
		panic(err) // cannot happen: names and JSON were checked
	}
	a.answer = answer
	c.submit(a)
}

// joinResult returns the result of the i-th channel of a join, or an error if it is not for that
// channel.
func (f *frame) joinResult(i int, channel string, err error) (*joinResult, error) {
	op := fmt.Sprintf("join %q", channel)
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		own := *refusal
		own.Op = op
		return nil, &own
	case err != nil:
		return nil, err
	case f.Join == nil || i >= len(f.Join.Channels) || f.Join.Channels[i].Channel != channel:
		return nil, fmt.Errorf("%s: the server's answer has no result for it", op)
	case f.Join.Channels[i].Error != nil:
		return nil, f.Join.Channels[i].Error.as(op)
	case f.Join.Channels[i].Position == "":
		return nil, fmt.Errorf("%s: the server's answer has no position", op)
	}
	return &f.Join.Channels[i], nil
}

// begin continues the stream at the position from the server. The caller holds the Conn's mu.
func (s *Subscription) begin(since string, r *joinResult) {
	s.phase, s.begun, s.at = joined, true, r.Position
	s.wait.good()
	s.queue.add(entry{event: &Joined{
		Channel: s.channel, Position: r.Position, Since: since, Recovered: r.Recovered, Presence: r.Presence,
	}})
	if since != "" && !r.Recovered {
		gap := Gap{From: since, To: r.Position}
		if r.Gap != nil {
			gap = *r.Gap
		}
		gap.Channel, gap.Oldest = s.channel, r.Oldest
		s.queue.add(entry{err: &gap})
	}
	select {
	case s.first <- nil:
	default: // Subscribe has returned
	}
}

// deliver queues a frame for the subscription of its channel.
func (c *Conn) deliver(l *link, f *frame) error {
	e, at, err := f.entry()
	if err != nil {
		return err
	}
	if e == (entry{}) {
		return nil // a kind of frame that this client does not know
	}
	// Ignore the channel's frames before the reply to its join and after it was left.
	c.mu.Lock()
	s := c.subs[*f.Channel]
	wanted := s != nil && s.phase == joined
	c.mu.Unlock()
	if !wanted {
		return nil
	}
	if s.queue.full() && !c.roomFor(s, l) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !s.over && s.phase == joined {
			c.leave(s)
			s.pause()
		}
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.over {
		return nil
	}
	if f.Message == nil || !c.own.has(place{s.channel, at}) {
		s.queue.add(e)
	}
	if at != "" {
		s.at = at
	}
	return nil
}

// entry returns the queue entry for the frame and the position after it. The position is "" if the
// frame does not change it.
func (f *frame) entry() (e entry, at string, err error) {
	switch {
	case f.Message != nil:
		if f.Position == "" {
			return entry{}, "", fmt.Errorf("the server sent a message on %q without a position", *f.Channel)
		}
		return entry{event: &Message{Channel: *f.Channel, Data: f.Message, Position: f.Position}, size: len(f.Message)}, f.Position, nil
	case f.Gap != nil:
		f.Gap.Channel = *f.Channel
		return entry{err: f.Gap}, f.Gap.To, nil
	case f.Presence != nil:
		change := &PresenceChange{Channel: *f.Channel}
		if err := readReply("presence", f.Presence, change); err != nil {
			return entry{}, "", err
		}
		return entry{event: change, size: len(f.Presence)}, "", nil
	}
	return entry{}, "", nil
}

// roomFor waits until the queue of a subscription has room, and reports whether it has. Meanwhile
// the Conn reads nothing, which delays all other subscriptions, so the wait is short. Replies are
// not read either, so it does not wait at all while a call waits for a reply: the caller may be the
// very loop that should empty the queue.
func (c *Conn) roomFor(s *Subscription, l *link) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for s.queue.full() {
		c.mu.Lock()
		busy := len(c.asks) > 0
		c.mu.Unlock()
		if busy {
			return false
		}
		select {
		case <-s.queue.room:
		case <-c.asked:
		case <-limit.C:
			return false
		case <-s.gone:
			return false
		case <-l.ctx.Done():
			return false
		case <-c.ctx.Done():
			return false
		}
	}
	return true
}

// pause marks a subscription as left until its queue has room. The caller holds the Conn's mu.
func (s *Subscription) pause() {
	s.phase = paused
	s.slow.Store(true)
	// Wake the loop: it may have emptied the queue before slow was set.
	poke(s.queue.ready)
}

// resume joins the channel of a paused subscription again, from its position.
func (c *Conn) resume(s *Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.over || s.phase != paused {
		return
	}
	s.phase = idle
	s.slow.Store(false)
	c.join(s)
}
