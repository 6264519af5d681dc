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

// A Conn talks protocol 2 with a server over a WebSocket. It connects in the background. When
// the connection is lost, it reconnects by itself and resumes each subscription at its position,
// until Close is called or the server reports that reconnecting is useless. It is safe for use
// by many goroutines.
//
// Calls wait while there is no connection; end their context to stop waiting.
type Conn struct {
	o      *ConnectOptions // a pointer, so that a Conn that is printed does not show the token
	random func(time.Duration) time.Duration

	ctx    context.Context // ends with Close, or when there is no way back
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when all goroutines have ended
	asked  chan struct{} // holds a token when a request was made; capacity 1

	mu     sync.Mutex
	link   *link                    // the one in use, if any; guarded by mu, as all below
	subs   map[string]*Subscription // by channel
	asks   map[uint64]*ask          // not answered yet, by id
	lastID uint64
	own    own
	states []State // to be told by the reader

	// The token that the server refused last, and how; of run alone.
	refused *string // nil if there is none; a pointer for the same reason as o
	refusal error
}

// Connect returns a Conn, or says what is wrong with the options. It does not wait
// for the server: that one may be started later.
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

// Close ends the connection, all subscriptions and all calls, which return
// [ErrClosed]. It waits until nothing runs any more, so OnState and
// TokenFunc must not call it.
func (c *Conn) Close() {
	c.cancel(ErrClosed)
	<-c.ended
}

// Done is closed when the Conn has ended: by Close, or for the reason that
// [Conn.Err] returns.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// Err returns why the Conn has ended for good, nil if it has not.
func (c *Conn) Err() error {
	if c.ctx.Err() == nil {
		return nil
	}
	return context.Cause(c.ctx)
}

// run connects repeatedly.
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

// once makes one connection and serves it until it is lost.
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

// settle makes l the connection in use: the requests that wait are sent, and the
// subscriptions go on.
func (c *Conn) settle(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = l
	c.sendAgain()
	c.joinAll()
	l.answered(0)
}

// unsettle ends the use of the connection, which was lost for the reason given. It reports
// whether the connection was good.
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

// finish ends all that waits for the connection.
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

// receive hands what the server sends to where it belongs, until the connection
// is lost.
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
			// A request of ours that the server could not even read: its answer
			// would never come.
			return f.Error.as("talk to the server")
		}
	}
}
