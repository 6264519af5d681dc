package ws

import (
	"bytes"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas"
)

// inbound is what has been read of a frame and a message that are not whole yet. It
// grows with the bytes that came, never with the length that they claim. Its zero
// value is the state between two messages.
type inbound struct {
	head    []byte // of a frame whose header is not whole
	frame   ws.Header
	inFrame bool   // frame is set, and its payload is not whole
	got     int64  // how many bytes of its payload have come
	free    bool   // it does not count toward any limit
	control []byte // payload of a control frame so far

	fragmented bool         // a message has begun and continues in another frame
	continued  bool         // the frame continues a message
	op         ws.OpCode    // of the message
	message    []byte       // payload of the message so far
	held       *boreas.Held // for message; nil while the message is small
	wants      int          // bytes that need room before later is processed
	valid      int          // how many bytes of it are complete characters, if it is a text

	// later holds the bytes to process once the client has read its answers, or there is room.
	later []byte
}

// between tells whether in holds nothing.
func (in *inbound) between() bool {
	return len(in.head) == 0 && !in.inFrame && !in.fragmented && len(in.later) == 0
}

// take carries out what bytes from the client say, and may change them. In is the
// worker's, to be used as scratch space. It returns true when nothing more needs
// to be read: both close frames have been exchanged.
func (c *conn) take(b []byte, in *inbound) (over bool) {
	if c.in != nil {
		*in, c.in = *c.in, nil
	}
	for len(b) > 0 && !c.deaf && !over {
		var err error
		b, over, err = c.step(b, in)
		if err != nil {
			c.fail(err)
		}
		if in.wants > 0 || c.h.dialect.patient() && len(b) > 0 && !c.sess.Answered() {
			in.later = bytes.Clone(b)
			break
		}
	}
	if !in.between() && !c.deaf {
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
	c.failed = true
	c.h.count.closed(err)
	c.sess.End(err)
}

// step reads one header, or a part of a payload, from b and returns the rest of b. After the
// connection has failed it only looks for the client's close frame.
func (c *conn) step(b []byte, in *inbound) (rest []byte, over bool, err error) {
	if !in.inFrame {
		b, err = c.readHeader(b, in)
		if err != nil || !in.inFrame || c.deaf {
			return b, false, err
		}
		if !c.failed {
			if err := c.accept(in); err != nil {
				return b, false, err
			}
		}
	}
	if c.failed {
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
	if in.op == opText {
		var ok bool
		if in.valid, ok = validText(part, in.valid, whole); !ok {
			return b[n:], false, errInvalidText
		}
	}
	if whole {
		in.valid, in.continued = 0, false
		c.message(in.op, part, pieces)
		in.drop()
	}
	return b[n:], false, nil
}

// accept records the header of an accepted frame.
func (c *conn) accept(in *inbound) error {
	f := &in.frame
	if !f.OpCode.IsControl() {
		in.continued = f.OpCode == ws.OpContinuation
		if !in.continued {
			in.op = f.OpCode
		}
		in.fragmented = !f.Fin
	}
	return c.countFrame(in)
}

// skip takes a part of a payload that nobody wants any more. It returns true if that
// was the rest of the client's close frame, and our own has been sent.
func (c *conn) skip(b []byte, in *inbound) (rest []byte, over bool) {
	n := min(in.frame.Length-in.got, int64(len(b)))
	in.got += n
	in.inFrame = in.got < in.frame.Length
	in.control, in.fragmented, in.valid = nil, false, 0
	in.drop()
	if !in.inFrame && in.frame.OpCode == ws.OpClose {
		c.deaf = true
		over = c.closedByPeer()
	}
	return b[n:], over
}

// message processes a complete message. The bytes of a message that arrived in pieces have been
// counted already.
func (c *conn) message(op ws.OpCode, b []byte, pieces bool) {
	n := len(b)
	if pieces {
		n = min(n, 1) // refused if too many came before
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
		c.deaf = true // nothing may come after it
		over = c.closedByPeer()
		end, err := peerClose(b)
		if err != nil {
			return over, err
		}
		c.sess.End(end)
		return over, nil
	}
	return false, nil // a pong says only that the client is there
}
