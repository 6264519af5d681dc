package ws

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// readHeader reads the part of a frame's header that has arrived in b. It returns an error as soon
// as the bytes cannot begin a valid frame. It still reads the rest of such a header, because the
// header gives the position of the next frame.
func (c *conn) readHeader(b []byte, in *inbound) (rest []byte, err error) {
	head := b
	if len(in.head) > 0 {
		head = append(in.head, b[:min(len(b), ws.MaxHeaderSize-len(in.head))]...)
	}
	had := len(in.head)
	if c.reading == readAll {
		err = c.checkHeader(in, head)
	}
	size := headerSize(head)
	if len(head) < size {
		in.head = bytes.Clone(head)
		return nil, err
	}
	in.head, in.frame = nil, parseHeader(head[:size])
	in.inFrame, in.got = true, 0
	if in.frame.Length < 0 {
		c.only(readNothing) // the position of the next frame is not known
	}
	return b[size-had:], err
}

// The parts of a frame's header (RFC 6455, section 5.2).
const (
	basicSize = 2 // the opcode, the flags and a length up to 125
	maskSize  = 4
	isMasked  = 0x80 // in the second byte
)

// lengthSize returns the number of bytes after the first two that contain the length.
func lengthSize(second byte) int {
	switch second &^ isMasked {
	case 126:
		return 2
	case 127:
		return 8
	}
	return 0
}

// headerSize returns the length of the header that begins with b. While it is unknown,
// headerSize returns more than the length of b.
func headerSize(b []byte) int {
	if len(b) < basicSize {
		return basicSize
	}
	n := basicSize + lengthSize(b[1])
	if b[1]&isMasked != 0 {
		n += maskSize
	}
	return n
}

// headerLength returns the payload's length. The header must be complete. A length of 2^63 or
// more is negative.
func headerLength(b []byte) int64 {
	switch lengthSize(b[1]) {
	case 2:
		return int64(binary.BigEndian.Uint16(b[basicSize:]))
	case 8:
		return int64(binary.BigEndian.Uint64(b[basicSize:]))
	}
	return int64(b[1] &^ isMasked)
}

// parseHeader reads a whole header.
func parseHeader(b []byte) ws.Header {
	h := parseBasic(b)
	h.Length = headerLength(b)
	if h.Masked {
		copy(h.Mask[:], b[len(b)-maskSize:])
	}
	return h
}

// parseBasic reads the first two bytes of a header. Its length is 126 or 127 if more of it
// follows.
func parseBasic(b []byte) ws.Header {
	return ws.Header{
		Fin:    b[0]&0x80 != 0,
		Rsv:    b[0] >> 4 & 7,
		OpCode: ws.OpCode(b[0] & 0xf),
		Masked: b[1]&isMasked != 0,
		Length: int64(b[1] &^ isMasked),
	}
}

// compressedRsv is the bit of a header's Rsv that marks a compressed message (RFC 7692, section 6).
const compressedRsv = 4

// isCompressed reports whether the frame begins a compressed message.
func isCompressed(h ws.Header) bool {
	return h.Rsv&compressedRsv != 0 && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary)
}

// checkHeader checks a header, or the part of it that has arrived.
func (c *conn) checkHeader(in *inbound, b []byte) error {
	if len(b) < basicSize {
		return nil
	}
	state := ws.StateServerSide
	if in.fragmented {
		state = state.Set(ws.StateFragmented)
	}
	// The second byte alone shows whether a control frame is too long: 126 and 127, which mean that
	// the length follows, are over its limit.
	h := parseBasic(b)
	if isCompressed(h) && c.clientBits != 0 {
		h.Rsv &^= compressedRsv
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return protocolError(err.Error())
	}
	size := lengthSize(b[1])
	if h.OpCode.IsControl() || len(b) < basicSize+size {
		return nil
	}
	length := headerLength(b)
	switch {
	case size == 2 && length < 126, size == 8 && length >= 0 && length <= math.MaxUint16:
		return protocolError("a length is not encoded in the fewest bytes")
	case length < 0 || length > int64(c.h.options.MaxMessage)-int64(len(in.message)):
		return tooBig(int64(c.h.options.MaxMessage))
	}
	return nil
}

// validText checks the part of a text after the first n bytes, which are valid. It returns how
// many bytes are valid now, and false once the text cannot become valid UTF-8. A complete text
// must not end within a character.
func validText(b []byte, n int, whole bool) (valid int, ok bool) {
	end := len(b)
	if !whole {
		// The last character may continue in the next bytes. It is not complete yet in that case.
		for i := end - 1; i >= max(n, end-(utf8.UTFMax-1)); i-- {
			if utf8.RuneStart(b[i]) {
				if !utf8.FullRune(b[i:]) {
					end = i
				}
				break
			}
		}
	}
	return end, utf8.Valid(b[n:end])
}
