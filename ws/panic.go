package ws

import (
	"errors"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/panics"
)

// consumeRecovering is like consume, for a worker. A panic in one client's request must not end
// the worker.
func (c *conn) consumeRecovering(b []byte, in *inbound) (over bool) {
	defer func() {
		if v := recover(); v != nil {
			err := panics.Caught(v)
			in.drop()
			*in, c.in = inbound{}, nil
			c.only(readNothing)
			c.panicked(err)
		}
	}()
	return c.consume(b, in)
}

// readRecovering is like read, for the connection's own goroutine.
func (c *conn) readRecovering(early []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p := panics.Caught(v)
			c.panicked(p)
			err = p
		}
	}()
	return c.read(early)
}

// panicked ends the session because of a panic.
func (c *conn) panicked(err *panics.Error) {
	c.h.count.Panics.Add(1)
	c.h.options.Log.Error("a request of a subscriber panicked", "session", c.sess.ID(), "panic", err.Value, "stack", string(err.Stack))
	c.sess.End(err)
}

// enginePanicked ends the session if the error is a panic of the engine.
func (c *conn) enginePanicked(err error) bool {
	var p *boreas.EnginePanicError
	if !errors.As(err, &p) {
		return false
	}
	c.h.options.Log.Error("the engine panicked", "session", c.sess.ID(), "panic", p.Value, "stack", string(p.Stack))
	c.sess.End(err)
	return true
}
