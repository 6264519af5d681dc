package client

import (
	"context"
	"errors"
	"time"
)

// errLeft means that the caller left its loop.
var errLeft = errors.New("the caller left the loop")

// heldOverhead is the memory of a held message in addition to its data, in bytes.
const heldOverhead = 64

// A loop is one run of [Subscriber.Messages]. It is owned by the caller's goroutine.
type loop struct {
	s     *Subscriber
	yield func(Message, error) bool

	settled bool         // a connection has completed its joins
	gap     *Reconnected // the gap to yield next, if any
	lostAt  time.Time    // when the gap began
}

// run connects repeatedly. It returns errLeft, the cause of the context's end, or the reason why
// no connection is possible.
func (l *loop) run(ctx context.Context) error {
	o := l.s.o
	wait := backoff{base: o.MinBackoff, max: o.MaxBackoff, random: l.s.random}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		o.OnState(State{Kind: Connecting, Attempt: wait.failures + 1})
		lived, err := l.connection(ctx)
		if errors.Is(err, errLeft) || ctx.Err() != nil || l.hopeless(err) {
			return final(ctx, err)
		}
		if lived >= goodAfter {
			wait.good()
		}
		var refused *Error
		var atLeast time.Duration
		mute := true
		if errors.As(err, &refused) {
			atLeast, mute = refused.RetryAfter, refused.mute()
		}
		pause := atLeast + wait.next(mute)
		o.OnState(State{Kind: Disconnected, Err: err, RetryIn: pause})
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// final returns the loop's last error. If the context has ended, that is its cause, not the error
// that followed from it.
func final(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, errLeft) {
		return context.Cause(ctx)
	}
	return err
}

// hopeless reports whether a retry cannot succeed after err. Most likely the URL is not a WebSocket
// endpoint. It returns false if a connection has worked before.
func (l *loop) hopeless(err error) bool {
	var refused *Error
	if l.settled || !errors.As(err, &refused) {
		return false
	}
	return refused.hopeless()
}

// connection opens one connection and yields its messages until it is lost. It returns how long the
// connection lasted after its joins, and why it ended.
func (l *loop) connection(ctx context.Context) (lived time.Duration, err error) {
	c, err := l.s.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer c.close()

	// Hold messages back until the server has processed the joins: a caller that fetches the
	// current state after a Reconnected must be on all its channels by then.
	var held []Message
	var size int64
	var settledAt time.Time
	settle := func() error {
		settledAt, l.settled = time.Now(), true
		l.s.o.OnState(State{Kind: Connected})
		if err := l.tellGap(); err != nil {
			return err
		}
		return l.tell(held...)
	}
	joined := c.joined
	for {
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-joined:
			joined = nil
			if err := settle(); err != nil {
				return 0, err
			}
		case m, more := <-c.messages:
			switch {
			case !more:
				return l.lost(c, joined != nil && len(held) > 0, settle, &settledAt)
			case joined == nil:
				if err := l.tell(m); err != nil {
					return 0, err
				}
			default:
				held = append(held, m)
				if size += heldOverhead + int64(len(m.Data)+len(m.Channel)); size > l.s.o.ReadLimit {
					joined = nil
					if err := settle(); err != nil {
						return 0, err
					}
				}
			}
		}
	}
}

// lost handles a connection that was closed by the server or lost by the network. If pending is
// set, there are held messages, which it yields first.
func (l *loop) lost(c *connection, pending bool, settle func() error, settledAt *time.Time) (time.Duration, error) {
	err := c.reason()
	if pending {
		if err := settle(); err != nil {
			return 0, err
		}
	}
	if settledAt.IsZero() {
		return 0, err
	}
	l.gap, l.lostAt = &Reconnected{Lost: err}, time.Now()
	return time.Since(*settledAt), err
}

func (l *loop) tellGap() error {
	if l.gap == nil {
		return nil
	}
	gap := l.gap
	gap.After, l.gap = time.Since(l.lostAt), nil
	if !l.yield(Message{}, gap) {
		return errLeft
	}
	return nil
}

func (l *loop) tell(messages ...Message) error {
	for _, m := range messages {
		if !l.yield(m, nil) {
			return errLeft
		}
	}
	return nil
}

// sleep waits for d. If the context ends earlier, it returns the cause.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
