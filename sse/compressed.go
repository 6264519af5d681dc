package sse

import (
	"net/http"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/coding"
	"github.com/boreas-pubsub/boreas/v2/internal/deflate"
)

// This file is about streams that are compressed with gzip. Such a stream has no compressor of its
// own: it is a sequence of deflate blocks, and the blocks of a message are made once for all streams
// of its channel. All other events are stored blocks. The stream has no trailer, because the trailer
// has a checksum of all that this one client has received. Clients treat the end of the stream like
// a lost connection anyway.

// syncBlock is an empty stored block. Some clients (Go) return a stored block only when another one
// follows it.
const syncBlock = "\x00" + deflate.Tail

// ping is the stored block of a comment line.
var ping = string(stored(events{}.AppendPing(nil), 0))

// stored makes stored blocks of the bytes of dst after start.
func stored(dst []byte, start int) []byte {
	plain := append([]byte(nil), dst[start:]...)
	return append(deflate.AppendStored(dst[:start], plain), syncBlock...)
}

// compressed is single for a stream that is compressed.
type compressed struct {
	single
	*compression
}

// compression is the same for all streams of a handler.
type compression struct {
	min   int // shorter events are not compressed
	count *Counters
}

var _, _ = boreas.CompressedFormat(compressed{}), boreas.NoticeFormat(compressed{})

// AppendCompressed implements [boreas.CompressedFormat].
func (f compressed) AppendCompressed(dst []byte, channel string, epoch uint64, p, prev *engine.Publication) (_ []byte, compressed bool) {
	space := deflate.NewSpace()
	defer space.Release()
	space[0] = f.single.AppendPublication(space[0][:0], channel, epoch, p)
	event := space[0]
	if len(event) < f.min {
		return append(deflate.AppendStored(dst, event), syncBlock...), false
	}
	var before []byte
	if prev != nil && len(prev.Data) <= deflate.MaxDictionary {
		space[1] = f.single.AppendPublication(space[1][:0], channel, epoch, prev)
		before = space[1]
	}
	start := len(dst)
	dst = deflate.Append(dst, event, before, deflate.MaxWindow)
	f.count.CompressedFrom.Add(uint64(len(event)))
	f.count.CompressedTo.Add(uint64(len(dst) - start))
	return dst, true
}

// WholeStream implements [boreas.CompressedFormat].
func (compressed) WholeStream() bool { return true }

// AppendPublication implements [boreas.Format].
func (f compressed) AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	return stored(f.single.AppendPublication(dst, channel, epoch, p), len(dst))
}

// AppendPing implements [boreas.Format].
func (compressed) AppendPing(dst []byte) []byte { return append(dst, ping...) }

// AppendEnd implements [boreas.Format].
func (f compressed) AppendEnd(dst []byte, reason error) []byte {
	return stored(f.single.AppendEnd(dst, reason), len(dst))
}

// AppendGap implements [boreas.NoticeFormat].
func (f compressed) AppendGap(dst []byte, channel string, g boreas.Gap) []byte {
	return stored(f.single.AppendGap(dst, channel, g), len(dst))
}

// AppendPresence implements [boreas.NoticeFormat].
func (f compressed) AppendPresence(dst []byte, channel string, event []byte) []byte {
	return stored(f.single.AppendPresence(dst, channel, event), len(dst))
}

// AppendExpiring implements [boreas.NoticeFormat].
func (f compressed) AppendExpiring(dst []byte, at time.Time, within time.Duration) []byte {
	return stored(f.single.AppendExpiring(dst, at, within), len(dst))
}

// AppendGoodbye implements [boreas.NoticeFormat].
func (f compressed) AppendGoodbye(dst []byte, reason error, within time.Duration) []byte {
	return stored(f.single.AppendGoodbye(dst, reason, within), len(dst))
}

// compresses reports whether the request's stream will be compressed. A stream of several channels
// is not: the id of each event has the positions of all its channels, so no two streams have the
// same events, and each event would be compressed for each of them.
func (h *handler) compresses(r *http.Request, q *request) bool {
	return h.compression != nil && len(q.joins) == 1 && coding.Choose(r.Header["Accept-Encoding"], coding.Gzip) == coding.Gzip
}

// beginBody appends what comes before the first event.
func (s *stream) beginBody(dst []byte) []byte {
	if s.compressed {
		dst = append(dst, coding.GzipHeader...)
	}
	return dst
}

// endJoin ends the result of the join, which begins at start.
func (s *stream) endJoin(dst []byte, start int) []byte {
	if s.compressed {
		return stored(dst, start)
	}
	return dst
}
