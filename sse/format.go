package sse

import (
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
)

// events encodes the events that have no id, which are the same for all streams.
type events struct{}

// AppendPing implements [boreas.Format]. It appends a comment line (clause 10.7), and an empty line
// for clients that split the stream at empty lines.
func (events) AppendPing(dst []byte) []byte { return append(dst, ":\n\n"...) }

// AppendPresence implements [boreas.NoticeFormat]. The event has no id. A client that reconnects sends
// the id of an earlier event, and receives a new snapshot of the presence.
func (events) AppendPresence(dst []byte, channel string, event []byte) []byte {
	return appendPresence(dst, channel, event)
}

// AppendExpiring implements [boreas.NoticeFormat].
func (events) AppendExpiring(dst []byte, at time.Time, within time.Duration) []byte {
	return appendExpiring(dst, protocol2.Expires(at), max(within.Milliseconds(), 0))
}

// AppendGoodbye implements [boreas.NoticeFormat].
func (events) AppendGoodbye(dst []byte, reason error, within time.Duration) []byte {
	f := protocol2.Fault(reason)
	return appendGoodbye(dst, &f, within.Milliseconds())
}

// AppendEnd implements [boreas.Format]. It appends the goodbye, also if one was sent before.
func (events) AppendEnd(dst []byte, reason error) []byte {
	f, after := protocol2.Goodbye(reason)
	if after > maxRetry {
		// A browser's EventSource ignores the goodbye but obeys this line. It then waits as long
		// before each attempt, so the time is only ever increased.
		dst = appendRetry(dst, after)
	}
	return appendGoodbye(dst, &f, after)
}

// single is the format of a stream with one channel. The formats of all streams of that channel
// are equal, so they share encoded events.
type single struct {
	events
	check uint32
}

// AppendPublication implements [boreas.Format].
func (f single) AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	place := engine.Position{Epoch: epoch, Offset: p.Offset}
	return appendMessage(appendID(dst, f.check, place), channel, epoch, p)
}

// AppendGap implements [boreas.NoticeFormat].
func (f single) AppendGap(dst []byte, channel string, g boreas.Gap) []byte {
	return appendGap(appendID(dst, f.check, g.To), channel, g)
}

// several is the format of a stream with several channels. Each stream has its own, and each batch
// has a copy that tracks the positions.
type several struct {
	events
	check    uint32
	channels []string
	places   []engine.Position // of the stream, by channel; nil before the first event

	// positions returns the stream's positions before this batch. It is nil in the stream's own
	// format.
	positions func(channel string) engine.Position
}

// At implements [boreas.SessionFormat].
func (f *several) At(positions func(channel string) engine.Position) boreas.NoticeFormat {
	return &several{check: f.check, channels: f.channels, positions: positions}
}

// move records the stream's new position on a channel, and appends the id for it.
func (f *several) move(dst []byte, channel string, place engine.Position) []byte {
	if f.positions == nil {
		return dst // no id is better than a wrong id
	}
	if f.places == nil { // nothing has been written, so the positions are still those before the batch
		f.places = make([]engine.Position, len(f.channels))
		for i, channel := range f.channels {
			f.places[i] = f.positions(channel)
		}
	}
	if i := slices.Index(f.channels, channel); i >= 0 {
		f.places[i] = place
	}
	return appendID(dst, f.check, f.places...)
}

// AppendPublication implements [boreas.Format].
func (f *several) AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	place := engine.Position{Epoch: epoch, Offset: p.Offset}
	return appendMessage(f.move(dst, channel, place), channel, epoch, p)
}

// AppendGap implements [boreas.NoticeFormat].
func (f *several) AppendGap(dst []byte, channel string, g boreas.Gap) []byte {
	return appendGap(f.move(dst, channel, g.To), channel, g)
}

// format returns the stream's format.
func (s *stream) format() boreas.Format {
	q := &s.request
	if s.compressed {
		return compressed{single{check: q.check}, s.h.compression}
	}
	if len(q.joins) == 1 {
		return single{check: q.check}
	}
	f := &several{check: q.check}
	for i := range q.joins {
		f.channels = append(f.channels, q.joins[i].Channel)
	}
	return f
}
