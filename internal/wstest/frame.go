package wstest

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The opcodes of RFC 6455, and bits of a frame's first byte.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xa
	RSV1           = 0x40
	Fin            = 0x80
)

// mask is the masking key of all frames.
var mask = [4]byte{0x5a, 0xa5, 0x0f, 0xf0}

// Frame returns a masked frame. First holds FIN, RSV and the opcode.
func Frame(first byte, payload string) string {
	return Header(first, uint64(len(payload))) + Masked(payload)
}

// Header returns the header of a masked frame, which can claim any length.
func Header(first byte, length uint64) string {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), length)
	}
	return string(append(b, mask[:]...))
}

// Masked returns the payload of a masked frame.
func Masked(payload string) string {
	b := []byte(payload)
	for i := range b {
		b[i] ^= mask[i%4]
	}
	return string(b)
}

// Text returns a message in one frame.
func Text(payload string) string { return Frame(Fin|OpText, payload) }

// Ping returns a ping.
func Ping(payload string) string { return Frame(Fin|OpPing, payload) }

// Close returns a close frame with a code.
func Close(code uint16, reason string) string {
	return Frame(Fin|OpClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// Frame reads a frame of the server, which is not masked.
func (c *Conn) Frame() (op byte, payload []byte, err error) { return ReadFrame(c.In) }

// ReadFrame reads a frame that is not masked.
func ReadFrame(r io.Reader) (op byte, payload []byte, err error) {
	first, payload, err := readFrame(r)
	return first & 0x0f, payload, err
}

// readFrame is ReadFrame that returns the reserved bits too.
func readFrame(r io.Reader) (first byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1])
	if more := map[uint64]int{126: 2, 127: 8}[length]; more > 0 {
		var b [8]byte
		if _, err := io.ReadFull(r, b[8-more:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(b[:])
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(r, payload)
	return head[0] &^ Fin, payload, err
}

func closed(payload []byte) *Closed {
	if len(payload) < 2 {
		return new(Closed)
	}
	return &Closed{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
}

// Describe returns a frame of a server in words: "text hello", "close 1000 bye".
func Describe(op byte, payload []byte) string {
	switch op {
	case OpText:
		return "text " + string(payload)
	case OpPing:
		return "ping " + string(payload)
	case OpPong:
		return "pong " + string(payload)
	case OpClose:
		if len(payload) < 2 {
			return "close"
		}
		c := closed(payload)
		return fmt.Sprintf("close %d %s", c.Code, c.Reason)
	}
	return fmt.Sprintf("op %d", op)
}
