package ws

import (
	"time"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// Whole text and binary messages count as requests. This file counts all other frames, and
// refused requests.

const (
	// One connection may send freeFrames such frames per second, and freeBurst at once, that do not
	// count toward the limits of its address. Answers to pings, the client's own pings and a
	// message in fragments need fewer, so a well-behaved client is never closed because of other
	// clients behind its address.
	freeFrames = 50
	freeBurst  = 100

	// One connection may send maxFrames such frames per second, and maxBurst at once, from
	// any address: by default, addresses on this machine have no limits of their own.
	maxFrames = 1000
	maxBurst  = 200_000

	// A frame beyond the free ones counts as frameCost bytes plus its payload in address_bytes and
	// user_bytes. A frame of 6 bytes takes about as much work as that many bytes of a large one.
	frameCost = 128

	// A refused request counts as its bytes, but as refusalCost at least: the server has read it
	// and must write the refusal.
	refusalCost = 1 << 10
)

// frameBudget counts the frames of one connection, by the generic cell rate algorithm (ITU-T
// I.371), as package limit does. Each number is the time, since the handler was created, at
// which the budget will be full again.
type frameBudget struct{ free, most time.Duration }

// take counts one frame. Free is false if the frame counts toward the limits of the address and
// the user; ok is false if there are too many frames.
func (f *frameBudget) take(now time.Duration) (free, ok bool) {
	const each = time.Second / maxFrames
	if f.most = max(f.most, now) + each; f.most-now > maxBurst*each {
		return false, false
	}
	const eachFree = time.Second / freeFrames
	full := max(f.free, now) + eachFree
	if full-now > freeBurst*eachFree {
		return false, true
	}
	f.free = full
	return true, true
}

// takeFrame takes one frame from the connection's budget. It returns an error if the connection
// must be closed.
func (c *conn) takeFrame() (free bool, _ error) {
	free, ok := c.more().frames.take(time.Since(c.h.start))
	if !ok {
		return false, fault.RateLimited.With("The connection keeps sending control frames, fragments or messages without a request: more than 1000 per second.")
	}
	return free, nil
}

// countFrame counts a frame whose header was accepted. It returns an error if the connection
// must be closed.
func (c *conn) countFrame(in *inbound) (err error) {
	f := &in.frame
	switch {
	case f.OpCode == ws.OpClose:
		return nil // no frame follows it
	case f.OpCode.IsControl():
	case in.fragmented || in.continued:
		c.sent(f.Length)
	default:
		return nil // a whole message, which is a request
	}
	if in.free, err = c.takeFrame(); err != nil || in.free {
		return err
	}
	return c.spend(frameCost)
}

// countUseless counts a message without a known request. The message has already counted as a
// request.
func (c *conn) countUseless() {
	if _, err := c.takeFrame(); err != nil {
		c.fail(err)
	}
}

// countRefusal counts a request that was over a limit, and those of its bytes that count nowhere
// else. It returns an error if the connection must be closed.
func (c *conn) countRefusal(bytes int) error {
	if free, err := c.takeFrame(); err != nil || free {
		return err
	}
	return c.spend(max(refusalCost, bytes))
}

// spend counts bytes toward the limits of the address and the user.
func (c *conn) spend(bytes int) error {
	if err := c.h.options.Limits.Address(c.sess.Address()).Spend(bytes); err != nil {
		return err
	}
	return c.user.Spend(bytes)
}

// countUnfinished counts the bytes of a message that never became whole.
func (c *conn) countUnfinished() {
	if in := c.in; in != nil && in.inFrame && !in.fragmented && !in.continued {
		c.sent(in.got)
	}
}

// sent counts bytes of a message that is not whole yet.
func (c *conn) sent(bytes int64) {
	c.h.options.Limits.Address(c.sess.Address()).Sent(int(bytes))
	c.user.Sent(int(bytes))
}
