package sse

import (
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/fault"
	"github.com/boreas-pubsub/boreas/internal/protocol2"
)

// events is what all streams have in common, whatever the ids of their events.
type events struct{}

// AppendPing implements [boreas.Format]: a comment line (clause 10.7), and the empty
// line that ends it where somebody splits the stream at those.
func (events) AppendPing(dst []byte) []byte { return append(dst, ":\n\n"...) }

// AppendPresence implements [boreas.NoticeFormat]. The event has no id, and a client that
// comes back gives that of the one before: presence is told anew then.
func (events) AppendPresence(dst []byte, channel string, event []byte) []byte {
	return appendPresence(dst, channel, event)
}

// AppendExpiring implements [boreas.NoticeFormat].
func (events) AppendExpiring(dst []byte, at time.Time, within time.Duration) []byte {
	return appendExpiring(dst, protocol2.Expires(at), max(within.Milliseconds(), 0))
}

// AppendGoodbye implements [boreas.NoticeFormat].
func (events) AppendGoodbye(dst []byte, reason error, within time.Duration) []byte {
	f := fault.Wire(reason)
	return appendGoodbye(dst, &f, within.Milliseconds())
}

// AppendEnd implements [boreas.Format]: the goodbye, also where one has announced this.
func (events) AppendEnd(dst []byte, reason error) []byte {
	f, after := protocol2.Goodbye(reason)
	if after > maxRetry {
		// A browser's EventSource knows no goodbye, but obeys this. It waits as
		// long between all its attempts; so it is never told less than at first.
		dst = appendRetry(dst, after)
	}
	return appendGoodbye(dst, &f, after)
}

// single is the format of a stream with one channel, of which it is the check: all
// such streams are equal, and share what is encoded.
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

// several is the format of a stream with several channels. Each stream has its own,
// and each batch a copy that keeps count.
type several struct {
	events
	check    uint32
	channels []string
	places   []engine.Position // where the stream is; nil before the first event

	// positions tells where the stream was before this batch; nil if this is no
	// batch's.
	positions func(channel string) engine.Position
}

// At implements [boreas.SessionFormat].
func (f *several) At(positions func(channel string) engine.Position) boreas.NoticeFormat {
	return &several{check: f.check, channels: f.channels, positions: positions}
}

// move notes that the stream comes to a place, and appends the id for that.
func (f *several) move(dst []byte, channel string, place engine.Position) []byte {
	if f.positions == nil {
		return dst // no id is better than a wrong one
	}
	if f.places == nil { // the cursors have not moved yet: nothing has been written
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

// format returns the request's format.
func (q *request) format() boreas.Format {
	if len(q.joins) == 1 {
		return single{check: q.check}
	}
	f := &several{check: q.check}
	for i := range q.joins {
		f.channels = append(f.channels, q.joins[i].Channel)
	}
	return f
}
