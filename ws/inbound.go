package ws

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// inbound is what has been read of a frame and a message that are not whole yet. It
// grows with the bytes that came, never with the length that they claim. Its zero
// value is the state between two messages.
type inbound struct {
	head    []byte // of a frame whose header is not whole
	frame   ws.Header
	inFrame bool   // frame is set, and its payload is not whole
	minimal bool   // its length is encoded in the fewest bytes
	got     int64  // how many bytes of its payload have come
	control []byte // payload of a control frame so far

	fragmented bool      // a message has begun and goes on in another frame
	op         ws.OpCode // of the message
	message    []byte    // payload of the message so far

	// later is what is to be taken once the client has read its answers.
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
	c.sess.Heard()
	if c.in != nil {
		*in, c.in = *c.in, nil
	}
	for len(b) > 0 && !c.deaf && !over {
		var err error
		b, over, err = c.step(b, in)
		if err != nil {
			c.failed = true
			c.h.count.closed(err)
			c.sess.End(err)
		}
		if c.h.dialect.patient() && len(b) > 0 && !c.sess.Answered() {
			in.later = bytes.Clone(b)
			break
		}
	}
	if !in.between() && !c.deaf {
		kept := *in
		c.in = &kept
	}
	*in = inbound{}
	return over
}

// step takes one header, or a part of a payload, from b and returns the rest of b. Once
// the connection has failed it only looks for the client's close frame.
func (c *conn) step(b []byte, in *inbound) (rest []byte, over bool, err error) {
	if !in.inFrame {
		b, err = in.readHeader(b)
		if err != nil {
			c.deaf = true // where the next frame begins is not known
			return nil, false, c.headerError(err)
		}
		if !in.inFrame {
			return nil, false, nil
		}
		if !c.failed {
			if err := c.checkFrame(in); err != nil {
				return b, false, err
			}
		}
	}
	if c.failed {
		rest, over = c.skip(b, in)
		return rest, over, nil
	}
	n := min(in.frame.Length-in.got, int64(len(b)))
	part := b[:n]
	ws.Cipher(part, in.frame.Mask, int(in.got%int64(len(in.frame.Mask))))
	whole := in.got+n == in.frame.Length
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
			over, err = c.control(in.frame.OpCode, part)
		}
		return b[n:], over, err
	}
	if len(in.message) > 0 || !whole || in.fragmented {
		in.message = append(in.message, part...)
		part = in.message
	}
	if whole && !in.fragmented {
		in.message = nil
		err = c.message(in.op, part)
	}
	return b[n:], false, err
}

// skip takes a part of a payload that nobody wants any more. It returns true if that
// was the rest of the client's close frame, and our own has been sent.
func (c *conn) skip(b []byte, in *inbound) (rest []byte, over bool) {
	n := min(in.frame.Length-in.got, int64(len(b)))
	in.got += n
	in.inFrame = in.got < in.frame.Length
	in.message, in.control, in.fragmented = nil, nil, false
	if !in.inFrame && in.frame.OpCode == ws.OpClose {
		c.deaf = true
		over = c.closedByPeer()
	}
	return b[n:], over
}

// headerError turns an error of the frame codec into what the client is told, once.
func (c *conn) headerError(err error) error {
	switch {
	case c.failed:
		return nil
	case errors.Is(err, ws.ErrHeaderLengthMSB):
		return tooBig(int64(c.h.options.MaxMessage)) // 2^63 or more
	}
	return protocolError(err.Error())
}

// readHeader takes a frame's header from b, as far as it has come.
func (in *inbound) readHeader(b []byte) (rest []byte, err error) {
	head := b
	if len(in.head) > 0 {
		head = append(in.head, b[:min(len(b), ws.MaxHeaderSize-len(in.head))]...)
	}
	had := len(in.head)
	if len(head) < 2 || len(head) < headerLength(head) {
		in.head = append([]byte(nil), head...)
		return nil, nil
	}
	size := headerLength(head)
	in.frame, err = ws.ReadHeader(bytes.NewReader(head[:size]))
	if err != nil {
		return nil, err
	}
	in.head, in.inFrame, in.got = nil, true, 0
	extra := size - len(in.frame.Mask) // RFC 6455, section 5.2: the fewest bytes
	in.minimal = !(in.frame.Masked && (in.frame.Length < 126 && extra > 2 || in.frame.Length < 1<<16 && extra > 4))
	return b[size-had:], nil
}

// headerLength returns how long the header is that begins with two or more bytes
// (RFC 6455, section 5.2).
func headerLength(b []byte) int {
	const mask = 4
	n := 2
	switch b[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b[1]&0x80 != 0 {
		n += mask
	}
	return n
}

// checkFrame looks at a header that has just been read.
func (c *conn) checkFrame(in *inbound) error {
	state := ws.StateServerSide
	if in.fragmented {
		state = state.Set(ws.StateFragmented)
	}
	f := in.frame
	if !in.minimal {
		return protocolError("a length is not encoded in the fewest bytes")
	}
	if err := ws.CheckHeader(f, state); err != nil {
		return protocolError(err.Error())
	}
	if f.OpCode.IsControl() {
		return nil
	}
	if limit := int64(c.h.options.MaxMessage); f.Length > limit-int64(len(in.message)) {
		return tooBig(limit)
	}
	if f.OpCode != ws.OpContinuation {
		in.op = f.OpCode
	}
	in.fragmented = !f.Fin
	return nil
}

// message carries out a whole message.
func (c *conn) message(op ws.OpCode, b []byte) error {
	if op == ws.OpBinary {
		c.h.dialect.binary(c, len(b))
		return nil
	}
	if !utf8.Valid(b) {
		return errInvalidText
	}
	c.h.dialect.text(c, b)
	return nil
}

// control carries out a control frame.
func (c *conn) control(op ws.OpCode, b []byte) (over bool, err error) {
	switch op {
	case ws.OpPing:
		if c.request(len(b)) != nil {
			return false, nil // who pings that often needs no answer to know
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
