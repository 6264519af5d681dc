package load

import (
	"bytes"
	"fmt"
)

// A mark is part of each message. It has the publisher, the channel, the number of the message
// among the publisher's messages on the channel (from 1), and the time at which the message was
// due, in nanoseconds since the start of the run. Its text has a fixed form, so that it can be
// written in place and found without decoding the message:
//
//	<run, 8 hex digits>.<publisher, 4>.<channel, 4>.<number, 8>.<time, 12>
type mark struct {
	publisher, channel uint16
	number             uint32
	time               int64
}

const (
	runDigits  = 8
	markLength = runDigits + 1 + 4 + 1 + 4 + 1 + 8 + 1 + 12
	markPrefix = runDigits + 1 // the run's ID and the dot, by which a mark is found
	maxTime    = 1<<48 - 1     // more than three days

	// The text around a mark in a message.
	payloadOpen  = `{"bench":"`
	payloadPad   = `","pad":"`
	payloadClose = `"}`
	minSize      = len(payloadOpen) + markLength + len(payloadPad) + len(payloadClose)
)

// payload returns a message of the given size with room for a mark, and the position of the mark.
func payload(run string, size int) (text []byte, at int) {
	pad := bytes.Repeat([]byte("x"), size-minSize)
	text = fmt.Appendf(nil, "%s%s%s%s%s%s", payloadOpen, run, bytes.Repeat([]byte("."), markLength-runDigits), payloadPad, pad, payloadClose)
	return text, len(payloadOpen)
}

// put writes the mark into text, after the run's ID and the dot.
func (m mark) put(text []byte) {
	putHex(text[9:13], uint64(m.publisher))
	putHex(text[14:18], uint64(m.channel))
	putHex(text[19:27], uint64(m.number))
	putHex(text[28:40], uint64(m.time))
}

// parseMark parses the mark at the start of text, which begins with the prefix.
func parseMark(text []byte) (m mark, ok bool) {
	if len(text) < markLength {
		return mark{}, false
	}
	publisher, a := hex(text[9:13])
	channel, b := hex(text[14:18])
	number, c := hex(text[19:27])
	time, d := hex(text[28:40])
	return mark{publisher: uint16(publisher), channel: uint16(channel), number: uint32(number), time: int64(time)}, a && b && c && d
}

func putHex(to []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = digits[v&0xf]
		v >>= 4
	}
}

func hex(text []byte) (v uint64, ok bool) {
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}
