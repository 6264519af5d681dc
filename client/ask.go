package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrInterrupted is returned by a call if the connection was lost before the server answered and
// the request cannot be repeated safely. The request may or may not have been carried out.
var ErrInterrupted = errors.New("the connection was lost before the server answered, so the request may or may not have been carried out")

// An ask is a request without a reply so far. All fields are guarded by Conn.mu.
type ask struct {
	id    uint64
	op    string // for errors
	text  []byte // the frame
	again bool   // may be sent again on another connection
	sent  bool   // was sent on some connection

	// answer is called once, with the reply or the error, while Conn.mu is held. It must not block.
	answer func(*frame, error)
}

// newAsk creates a request. The caller holds mu.
func (c *Conn) newAsk(op, kind string, params any) (*ask, error) {
	c.lastID++
	text, err := requestFrame(c.lastID, kind, params)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return &ask{id: c.lastID, op: op, text: text}, nil
}

// submit sends a request now, or as soon as there is a connection. The caller holds mu.
func (c *Conn) submit(a *ask) {
	c.asks[a.id] = a
	if c.link == nil {
		return
	}
	// Clause 1.3: the server would close the connection because of a larger frame.
	if limit := c.link.hello.Limits.FrameBytes; limit > 0 && len(a.text) > limit {
		delete(c.asks, a.id)
		a.answer(nil, &Error{
			Op: a.op, Code: CodeTooLarge, Retry: "never",
			Message: fmt.Sprintf("the request has %d bytes, and this server accepts %d; publish larger messages over HTTP", len(a.text), limit),
		})
		return
	}
	a.sent = true
	c.link.send(a.text)
	poke(c.asked)
}

// sendAgain sends the pending requests on a new connection, oldest first. The caller holds mu.
func (c *Conn) sendAgain() {
	for _, id := range slices.Sorted(maps.Keys(c.asks)) {
		c.submit(c.asks[id])
	}
}

// interrupt fails the requests that were sent and cannot be repeated. The caller holds mu.
func (c *Conn) interrupt(err error) {
	for id, a := range c.asks {
		if a.sent && !a.again {
			delete(c.asks, id)
			a.answer(nil, fmt.Errorf("%s: %w (%w)", a.op, ErrInterrupted, err))
		}
	}
}

// answer passes a reply to its request. It ignores a reply to a request that was given up.
func (c *Conn) answer(id uint64, f *frame) {
	c.mu.Lock()
	if a := c.asks[id]; a != nil {
		delete(c.asks, id)
		if f.Error != nil {
			a.answer(nil, f.Error.as(a.op))
		} else {
			a.answer(f, nil)
		}
	}
	states := c.states
	c.states = nil
	c.mu.Unlock()
	for _, state := range states {
		c.o.OnState(state)
	}
}

// do makes a request and waits for its reply. again reports whether the request is safe to repeat.
func (c *Conn) do(ctx context.Context, op, kind string, params any, again bool) (*frame, error) {
	return c.doThen(ctx, op, kind, params, again, nil)
}

// doThen is like do. If then is not nil, doThen calls it with a successful reply, with mu held
// and before anything that the server sent later is processed. It does so even if ctx ends before
// the reply arrives.
func (c *Conn) doThen(ctx context.Context, op, kind string, params any, again bool, then func(*frame)) (*frame, error) {
	type result struct {
		f   *frame
		err error
	}
	done := make(chan result, 1)

	c.mu.Lock()
	if err := c.Err(); err != nil {
		c.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	a, err := c.newAsk(op, kind, params)
	if err != nil {
		c.mu.Unlock()
		return nil, err
	}
	a.again = again
	a.answer = func(f *frame, err error) {
		if then != nil && err == nil {
			then(f)
		}
		done <- result{f, err}
	}
	c.submit(a)
	c.mu.Unlock()

	select {
	case r := <-done:
		return r.f, r.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	sent := a.sent
	if then == nil || !sent || c.link == nil {
		delete(c.asks, a.id)
	}
	a.again = false
	c.mu.Unlock()
	select {
	case r := <-done: // the reply arrived after all
		return r.f, r.err
	default:
	}
	if sent {
		return nil, fmt.Errorf("%s: no answer came: %w", op, context.Cause(ctx))
	}
	return nil, fmt.Errorf("%s: there is no connection: %w", op, context.Cause(ctx))
}

// readReply decodes the JSON of a reply.
func readReply(op string, text json.RawMessage, into any) error {
	if text == nil {
		return fmt.Errorf("%s: the kind of the server's answer differs from the request", op)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: the answer is not that of a Boreas server: %w", op, err)
	}
	return nil
}
