package ws

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/socket"
)

const (
	// messageTimeout is how long a message that holds more than [boreas.HeldFree] bytes may take to
	// arrive, plus one second for each messagePace bytes of MaxMessage.
	messageTimeout = 30 * time.Second
	messagePace    = 64 << 10
)

// Room implements [socket.Holder].
func (c *conn) Room() socket.Room { return c.h.hub.Held(boreas.HeldBatch, c.sess.Address(), "") }

// Tight implements [socket.Holder].
func (c *conn) Tight() bool { return c.h.hub.Tight() }

// holds makes room for n more bytes of an incomplete message. It returns false if there is no
// room. In that case the bytes stay where they are until in.wants bytes can be held.
func (c *conn) holds(in *inbound, n int) bool {
	need := len(in.message) + n
	if need <= cap(in.message) {
		return true
	}
	size := min(max(need, 2*cap(in.message)), max(need, c.h.options.MaxMessage))
	if size > boreas.HeldFree {
		if in.held == nil {
			in.held = c.sess.Held(boreas.HeldRequest)
		}
		if !in.held.Try(size) {
			if size = need; !in.held.Try(size) {
				in.wants = size
				return false
			}
		}
	}
	in.wants = 0
	in.message = append(make([]byte, 0, size), in.message...)
	return true
}

// drop discards the message.
func (in *inbound) drop() {
	in.message = nil
	if in.held != nil {
		in.held.Keep(0)
		in.held = nil
	}
}

// awaitRoom waits for room for the next bytes to process. Nothing is read from the client
// meanwhile.
func (c *conn) awaitRoom() {
	if c.in == nil || c.in.wants == 0 {
		return
	}
	if err := c.sess.Hold(context.Background(), c.in.held, c.in.wants); err != nil {
		c.only(readClose)
		c.sess.End(err)
	}
	c.in.wants = 0
}

// limitMessage bounds the time for the rest of a message that has arrived in part.
func (c *conn) limitMessage() {
	large := c.in != nil && c.in.held != nil
	if large == c.limited {
		return
	}
	c.limited = large
	var until time.Time
	if large {
		until = time.Now().Add(c.messageTime())
	}
	c.setMessageDeadline(until)
}

func (c *conn) messageTime() time.Duration {
	return messageTimeout + time.Duration(c.h.options.MaxMessage/messagePace)*time.Second
}

// setMessageDeadline sets when a read fails. It does not change the deadline of a connection
// that is being closed.
func (c *conn) setMessageDeadline(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finished {
		c.SetReadDeadline(until)
	}
}

// messageLate reports whether a read failed because a message took too long. In that case the
// session ends, and the connection stays open for its close frame.
func (c *conn) messageLate(err error) bool {
	if !c.limited || c.ended() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.limited = false
	c.only(readClose)
	c.in.drop()
	c.setMessageDeadline(time.Time{})
	c.sess.End(fault.Timeout.With(fmt.Sprintf("A message did not arrive completely within %v.", c.messageTime())))
	return true
}

// reserve waits for room for a reply of at most n bytes. It is called on a worker.
func (c *conn) reserve(n int) (err error) {
	if n > boreas.HeldFree {
		c.blocking(func() { err = c.sess.Reserve(context.Background(), n) })
	}
	return err
}
