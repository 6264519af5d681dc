package ws

import (
	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/deflate"
)

// publications compresses publications for the clients that have agreed on the same parameters. Its methods may be
// called by many goroutines at once.
type publications struct {
	bits    uint8 // the size of the clients' window
	context bool  // the clients keep their window
	min     int   // smaller payloads are not compressed
	count   *Counters
}

// rsv1 marks a compressed message in the first byte of its first frame (RFC 7692, section 6).
const rsv1 = 0x40

// append appends the frame that f has for p, compressed if that makes it smaller. If prev is not nil, it is the
// previous publication that f compressed for the client. It returns false if the frame is not compressed.
func (d *publications) append(dst []byte, f boreas.Format, channel string, epoch uint64, p, prev *engine.Publication) ([]byte, bool) {
	start := len(dst)
	dst = f.AppendPublication(dst, channel, epoch, p)
	payload := payloadOf(dst[start:])
	if len(payload) < d.min {
		return dst, false
	}
	space := deflate.NewSpace()
	defer space.Release()
	window := 1 << d.bits
	var dictionary []byte
	if prev != nil && d.context && len(prev.Data) <= deflate.MaxDictionary {
		space[0] = f.AppendPublication(space[0][:0], channel, epoch, prev)
		dictionary = payloadOf(space[0])
		if len(dictionary) > deflate.MaxDictionary || len(dictionary)+len(payload) > window {
			dictionary = nil
		}
	}
	space[1] = deflate.Append(space[1][:0], payload, dictionary, window)
	compressed := space[1][:len(space[1])-len(deflate.Tail)]
	if len(compressed) >= len(payload) {
		return dst, false
	}
	d.count.CompressedFrom.Add(uint64(len(payload)))
	d.count.CompressedTo.Add(uint64(len(compressed)))
	dst, start = beginFrame(dst[:start])
	dst = endFrame(append(dst, compressed...), start, opText)
	dst[start] |= rsv1
	return dst, true
}

// WholeStream implements [boreas.CompressedFormat]. Only compressed messages change the client's window (RFC 7692,
// section 7.2.1).
func (*publications) WholeStream() bool { return false }

// payloadOf returns the payload of a server's frame.
func payloadOf(frame []byte) []byte { return frame[headerSize(frame):] }

var _, _ boreas.CompressedFormat = v2Deflate{}, classicDeflate{}

// v2Deflate is v2Format with compressed publications.
type v2Deflate struct {
	v2Format
	*publications
}

// AppendCompressed implements [boreas.CompressedFormat].
func (f v2Deflate) AppendCompressed(dst []byte, channel string, epoch uint64, p, prev *engine.Publication) (_ []byte, compressed bool) {
	return f.append(dst, f.v2Format, channel, epoch, p, prev)
}

// classicDeflate is classicFormat with compressed publications.
type classicDeflate struct {
	classicFormat
	*publications
}

// AppendCompressed implements [boreas.CompressedFormat].
func (f classicDeflate) AppendCompressed(dst []byte, channel string, epoch uint64, p, prev *engine.Publication) (_ []byte, compressed bool) {
	return f.append(dst, f.classicFormat, channel, epoch, p, prev)
}

// formats has the formats of a handler. Clients that have agreed on the same parameters share one, and with it the
// bytes of each publication.
type formats struct {
	plain      boreas.Format
	compressed [maxBits - minBits + 1][2]boreas.Format // by bits and context
}

func newFormats(d dialect, min int, count *Counters) *formats {
	f := &formats{plain: d.format(nil)}
	for bits := range f.compressed {
		for context := range f.compressed[bits] {
			f.compressed[bits][context] = d.format(&publications{uint8(minBits + bits), context == 1, min, count})
		}
	}
	return f
}

// of returns the format for what a client has agreed on.
func (f *formats) of(c compression) boreas.Format {
	switch {
	case c.bits == 0:
		return f.plain
	case c.context:
		return f.compressed[c.bits-minBits][1]
	}
	return f.compressed[c.bits-minBits][0]
}
