package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrClosed is returned by calls of a [Conn] or a [Subscription] after its Close.
var ErrClosed = errors.New("closed")

// A Conn is a WebSocket connection to a server that speaks protocol 2. It connects in the
// background. When the connection is lost, it reconnects and resumes each subscription at its
// position, until Close is called or the server reports that reconnecting is useless. It is safe
// for concurrent use.
//
// While there is no connection, calls wait. Cancel a call's context to stop waiting.
type Conn struct {
	// Immutable after connect.
	o      *ConnectOptions // a pointer, so that printing a Conn does not print the token
	random func(time.Duration) time.Duration
	ctx    context.Context // ends with Close or when reconnecting is useless
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when all goroutines have ended
	asked  chan struct{} // holds a token when a request was made; capacity 1

	// Guarded by mu.
	mu     sync.Mutex
	link   *link                    // the current connection; nil if there is none
	subs   map[string]*Subscription // by channel
	asks   map[uint64]*ask          // requests without a reply so far, by id
	lastID uint64
	own    own
	states []State // changes that the reader has not reported to OnState yet

	// Owned by run. The last token that the server refused, and its error.
	refused *string // nil if there is none; a pointer for the same reason as o
	refusal error
}

// Connect returns a Conn, or an error if the options are invalid. It does not wait for the server,
// which may be started later.
func Connect(o ConnectOptions) (*Conn, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return connect(o, upTo), nil
}

func connect(o ConnectOptions, random func(time.Duration) time.Duration) *Conn {
	c := &Conn{
		o: &o, random: random, ended: make(chan struct{}), asked: make(chan struct{}, 1),
		subs: map[string]*Subscription{}, asks: map[uint64]*ask{},
	}
	c.o.OnState = oneByOne(c.o.OnState)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	go c.run()
	return c
}

// Close closes the connection and ends all subscriptions and calls with [ErrClosed]. It waits for
// the Conn's goroutines, so OnState and TokenFunc must not call it.
func (c *Conn) Close() {
	c.cancel(ErrClosed)
	<-c.ended
}

// Done returns a channel that is closed when the Conn has ended. [Conn.Err] returns the reason.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// Err returns the reason why the Conn has ended for good, or nil if it has not ended.
func (c *Conn) Err() error {
	if c.ctx.Err() == nil {
		return nil
	}
	return context.Cause(c.ctx)
}

// run connects again and again until the Conn ends.
func (c *Conn) run() {
	defer close(c.ended)
	wait := backoff{base: c.o.MinBackoff, max: c.o.MaxBackoff, random: c.random}
	settled := false
	for c.ctx.Err() == nil {
		c.o.OnState(State{Kind: Connecting, Attempt: wait.failures + 1})
		e := c.once()
		settled = settled || e.lived > 0
		if c.ctx.Err() != nil {
			break
		}
		if e.final || (e.wrong && !settled) {
			c.cancel(e.err)
			break
		}
		pause := e.pause(&wait)
		c.o.OnState(State{Kind: Disconnected, Err: e.err, RetryIn: pause})
		if sleep(c.ctx, pause) != nil {
			break
		}
	}
	c.finish(context.Cause(c.ctx))
	c.o.OnState(State{Kind: Ended, Err: context.Cause(c.ctx)})
}

// once makes one connection and serves it until the connection is lost.
func (c *Conn) once() ending {
	l, e := c.dial()
	if l == nil {
		return e
	}
	began := time.Now()
	c.settle(l)
	c.o.OnState(State{Kind: Connected, Session: l.hello.Session, User: l.user})
	e = l.ending(c.receive(l))
	e.lived = max(time.Since(began), 1)
	e.good = c.unsettle(l, e.err)
	l.close()
	if e.token {
		c.refuseToken(l.token, &e)
	}
	return e
}

// settle makes l the current connection, sends the pending requests and joins the channels of all
// subscriptions.
func (c *Conn) settle(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = l
	c.sendAgain()
	c.joinAll()
	l.answered(0)
}

// unsettle stops using a connection that was lost because of err. It reports whether the connection
// was good.
func (c *Conn) unsettle(l *link, err error) (good bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	good = !l.joinedAt.IsZero() && time.Since(l.joinedAt) >= goodAfter
	c.link = nil
	for _, s := range c.subs {
		s.lost()
	}
	c.interrupt(err)
	return good
}

// finish ends all subscriptions and fails all pending requests.
func (c *Conn) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		s.end(err)
	}
	clear(c.subs)
	for id, a := range c.asks {
		delete(c.asks, id)
		a.answer(nil, fmt.Errorf("%s: %w", a.op, err))
	}
}

// receive reads frames and dispatches them until the connection is lost.
func (c *Conn) receive(l *link) error {
	for {
		f, err := l.read(l.ctx)
		if err != nil {
			return err
		}
		id, reply := f.id()
		switch {
		case reply:
			c.answer(id, f)
		case f.Channel != nil:
			if err := c.deliver(l, f); err != nil {
				return err
			}
		case f.Expiring != nil:
			l.expire(f.Expiring)
		case f.Error != nil:
			// The server could not read one of our requests, so it will never answer it.
			return f.Error.as("talk to the server")
		}
	}
}
