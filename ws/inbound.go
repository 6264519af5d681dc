package ws

import (
	"bytes"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas/v2"
)

// inbound holds a frame and a message that have arrived in part. Its size depends on the bytes
// that have arrived, never on the length that a header announces. The zero value is the state
// between two messages.
type inbound struct {
	head    []byte // of a frame whose header is incomplete
	frame   ws.Header
	inFrame bool   // frame is set, and its payload is incomplete
	got     int64  // bytes of its payload that have arrived
	free    bool   // it does not count toward any limit
	control []byte // payload of a control frame so far

	fragmented bool         // a message has begun and continues in another frame
	continued  bool         // the frame continues a message
	op         ws.OpCode    // of the message
	compressed bool         // the message is compressed
	message    []byte       // payload of the message so far
	held       *boreas.Held // for message; nil while the message is small
	wants      int          // bytes that need room before pending is processed
	valid      int          // bytes of a text message that are complete characters

	// pending holds bytes that are processed when the client has read its replies, or when there is
	// room for them.
	pending []byte
}

// empty reports whether in is in the state between two messages.
func (in *inbound) empty() bool {
	return len(in.head) == 0 && !in.inFrame && !in.fragmented && len(in.pending) == 0
}

// consume processes bytes from the client, and may change them. In is scratch space of the worker.
// It returns true when both close frames have been exchanged, so that nothing more needs to be
// read.
func (c *conn) consume(b []byte, in *inbound) (over bool) {
	if c.in != nil {
		*in, c.in = *c.in, nil
	}
	gather := c.h.dialect.backpressure() // otherwise there are no answers
	if gather {
		c.sess.Gather()
	}
	for len(b) > 0 && c.reading != readNothing && !over {
		var err error
		b, over, err = c.consumeFrame(b, in)
		if err != nil {
			c.fail(err)
		}
		if in.wants > 0 || c.h.dialect.backpressure() && len(b) > 0 && !c.sess.Answered() {
			in.pending = bytes.Clone(b)
			break
		}
	}
	if gather {
		c.sess.Flush()
	}
	if !in.empty() && c.reading != readNothing {
		kept := *in
		c.in = &kept
	} else {
		in.drop()
	}
	*in = inbound{}
	return over
}

// fail ends the session because of the client's frame or message.
func (c *conn) fail(err error) {
	c.only(readClose)
	c.h.count.closed(err)
	c.sess.End(err)
}

// consumeFrame reads one header, or a part of a payload, from b and returns the rest of b. After
// the session has ended it only looks for the client's close frame.
func (c *conn) consumeFrame(b []byte, in *inbound) (rest []byte, over bool, err error) {
	if !in.inFrame {
		b, err = c.readHeader(b, in)
		if err != nil || !in.inFrame || c.reading == readNothing {
			return b, false, err
		}
		if c.reading == readAll {
			if err := c.accept(in); err != nil {
				return b, false, err
			}
		}
	}
	if c.reading != readAll {
		rest, over = c.skip(b, in)
		return rest, over, nil
	}
	n := min(in.frame.Length-in.got, int64(len(b)))
	whole := in.got+n == in.frame.Length
	keep := !in.frame.OpCode.IsControl() && (len(in.message) > 0 || !whole || in.fragmented)
	if keep && !c.holds(in, int(n)) {
		return b, false, nil
	}
	part := b[:n]
	ws.Cipher(part, in.frame.Mask, int(in.got%int64(len(in.frame.Mask))))
	first := in.got == 0
	in.got += n
	in.inFrame = !whole
	if in.frame.OpCode.IsControl() {
		if !first || !whole {
			in.control = append(in.control, part...)
			part = in.control
		}
		if whole {
			in.control = nil
			over, err = c.control(in, part)
		}
		return b[n:], over, err
	}
	pieces := in.continued || in.fragmented
	if keep {
		in.message = append(in.message, part...)
		part = in.message
	}
	whole = whole && !in.fragmented
	if in.op == opText && !in.compressed {
		var ok bool
		if in.valid, ok = validText(part, in.valid, whole); !ok {
			return b[n:], false, errInvalidText
		}
	}
	if whole {
		in.valid, in.continued = 0, false
		counted := 0
		if pieces {
			counted = len(part)
		}
		if in.compressed {
			err = c.compressed(in, part, counted)
		} else {
			c.message(in.op, part, counted)
		}
		in.drop()
	}
	return b[n:], false, err
}

// accept records the header of an accepted frame.
func (c *conn) accept(in *inbound) error {
	f := &in.frame
	if !f.OpCode.IsControl() {
		in.continued = f.OpCode == ws.OpContinuation
		if !in.continued {
			in.op, in.compressed = f.OpCode, isCompressed(*f)
		}
		in.fragmented = !f.Fin
	}
	return c.countFrame(in)
}

// skip discards a part of a payload after the session has ended. It returns true if this was the
// end of the client's close frame and the server has sent its own.
func (c *conn) skip(b []byte, in *inbound) (rest []byte, over bool) {
	n := min(in.frame.Length-in.got, int64(len(b)))
	in.got += n
	in.inFrame = in.got < in.frame.Length
	in.control, in.fragmented, in.valid = nil, false, 0
	in.drop()
	if !in.inFrame && in.frame.OpCode == ws.OpClose {
		c.only(readNothing)
		over = c.closedByPeer()
	}
	return b[n:], over
}

// message processes a complete message. The given number of bytes have been counted already, because
// the message arrived in pieces.
func (c *conn) message(op ws.OpCode, b []byte, counted int) {
	n := len(b) - counted
	if counted > 0 {
		n = max(n, 1) // so that the request is refused if the client is over its limit
	}
	if op == ws.OpBinary {
		c.h.dialect.binary(c, n)
		return
	}
	c.h.dialect.text(c, b, n)
}

// control processes a control frame.
func (c *conn) control(in *inbound, b []byte) (over bool, err error) {
	switch in.frame.OpCode {
	case ws.OpPing:
		if !in.free && c.request(1, len(b)) != nil {
			return false, nil // a client that pings so often does not need an answer to each ping
		}
		c.sess.Send(appendFrame(nil, ws.OpPong, b))
	case ws.OpClose:
		c.only(readNothing) // no frame may follow it
		over = c.closedByPeer()
		end, err := peerClose(b)
		if err != nil {
			return over, err
		}
		c.sess.End(end)
		return over, nil
	}
	return false, nil // a pong only shows that the client is alive, which handle has recorded
}
