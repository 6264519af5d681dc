package ws

import (
	"context"
	"sync"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/deflate"
)

// slide adds a message to the window, which keeps the last size bytes. It needs no more memory than the
// client has sent. The window is small beside the buffers of the connection in the kernel, so it does not
// count as held memory (see [boreas.HeldFree]).
func slide(window, message []byte, size int) []byte {
	message = message[max(0, len(message)-size):]
	kept := window[max(0, len(window)+len(message)-size):]
	if n := len(kept) + len(message); n > cap(window) {
		window = append(make([]byte, 0, n), kept...)
	} else {
		window = window[:copy(window[:n], kept)]
	}
	return append(window, message...)
}

// small has space for messages that do not count as held memory.
var small = sync.Pool{New: func() any { return new([boreas.HeldFree]byte) }}

// compressed processes a complete compressed message. Counted is the number of its bytes that have been counted
// already. A message counts as the bytes that it has after decompression, because these are parsed, kept and sent to
// others, or as its bytes on the wire if those are more.
func (c *conn) compressed(in *inbound, b []byte, counted int) error {
	space := small.Get().(*[boreas.HeldFree]byte)
	defer small.Put(space)
	message, err := c.decompress(in, b, space[:0])
	if err == deflate.ErrTooBig {
		c.sent(int64(max(c.h.options.MaxMessage-counted, 0)))
		return tooBigInflated(int64(c.h.options.MaxMessage))
	}
	if err == deflate.ErrInvalid {
		return errInvalidDeflate
	}
	if err != nil {
		c.only(readClose)
		c.sess.End(err)
		return nil
	}
	if c.clientBits != noContext {
		r := c.more()
		r.window = slide(r.window, message, 1<<c.clientBits)
	}
	c.h.count.InflatedFrom.Add(uint64(len(b)))
	c.h.count.InflatedTo.Add(uint64(len(message)))
	if in.op == opText && !utf8.Valid(message) {
		return errInvalidText
	}
	if counted == 0 && len(b) > len(message) {
		c.sent(int64(len(b) - len(message)))
	}
	c.message(in.op, message, counted)
	return nil
}

// decompress returns the decompressed message, in the space if it is small. Otherwise it waits for room before it
// allocates. So the memory for a message never depends on how well it was compressed.
func (c *conn) decompress(in *inbound, b, space []byte) ([]byte, error) {
	var window []byte
	if c.rare != nil {
		window = c.rare.window
	}
	limit := c.h.options.MaxMessage
	message, err := deflate.Inflate(space, b, window, min(limit, cap(space)))
	if err != deflate.ErrTooBig || limit <= cap(space) {
		return message, err
	}
	size, err := deflate.Size(b, window, limit)
	if err != nil {
		return nil, err
	}
	if in.held == nil {
		in.held = c.sess.Held(boreas.HeldRequest)
	}
	if room := cap(in.message) + size; !in.held.Try(room) {
		c.blocking(func() { err = c.sess.Hold(context.Background(), in.held, room) })
		if err != nil {
			return nil, err
		}
	}
	return deflate.Inflate(make([]byte, 0, size), b, window, size)
}
