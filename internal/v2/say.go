package v2

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/fault"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// AppendMessage appends a message (clause 5.1 of docs/protocol.md).
func AppendMessage(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte {
	dst = wire.AppendV2Open(dst, channel, p.Data)
	dst = engine.Position{Epoch: epoch, Offset: p.Offset}.Append(dst)
	return append(dst, `"}`...)
}

// Heartbeat returns an interval in the seconds that a client is told (clauses 3.1, 10.3):
// rounded up, since it is promised that something comes in each.
func Heartbeat(interval time.Duration) int {
	return int((interval + time.Second - 1) / time.Second)
}

// Expires writes the end of a token as clients are told it (clauses 3.2, 3.8): in whole
// seconds, rounded down, so that nobody takes a token for valid that is not; "" for none.
func Expires(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// AppendGap appends a gap (clause 5.3).
func AppendGap(dst []byte, channel string, g boreas.Gap) []byte {
	return wire.AppendV2Gap(dst, channel, string(g.Reason), g.From.Append(nil), g.To.Append(nil))
}

// AppendJoined appends one result of a join (clause 4.2), and the comma before it.
func AppendJoined(dst []byte, j *boreas.Join, r *boreas.Joined) []byte {
	w := wire.V2Joined{Channel: j.Channel}
	if r.Err != nil {
		f := fault.Wire(r.Err)
		w.Fault = &f
		return wire.AppendV2Joined(dst, &w)
	}
	w.Position = r.Position.Append(nil)
	w.HasRecovered, w.Recovered = !j.Since.IsZero(), r.Recovered
	if w.HasRecovered && !w.Recovered {
		w.Reason = string(r.Gap.Reason)
		w.From, w.To, w.Oldest = r.Gap.From.Append(nil), r.Gap.To.Append(nil), r.Oldest.Append(nil)
	}
	if r.Presence != nil {
		w.Presence = Presence(r.Presence)
	}
	return wire.AppendV2Joined(dst, &w)
}

// Presence returns a snapshot as JSON (clause 9.3).
func Presence(s *boreas.PresenceState) []byte {
	b, _ := json.Marshal(s) // cannot fail: Info was parsed when it came in
	return b
}

// Goodbye returns what a session that ends for the reason is told, and in how many
// milliseconds it should come back; negative if it should not by itself.
func Goodbye(reason error) (f wire.V2Fault, afterMS int64) {
	f = fault.Wire(reason)
	wait := time.Duration(f.RetryAfterMS) * time.Millisecond
	switch fault.Of(reason).Retry {
	case fault.Never:
		return f, -1
	case fault.Later:
		// So that those who were sent away together do not come back together.
		wait += rand.N(max(wait, time.Second))
	default:
		wait += rand.N(soon)
	}
	return f, wait.Milliseconds()
}

// soon is within which time those come back who may at once.
const soon = time.Second

// Page reads a page of a channel's history (clause 7): at most limit messages, and about
// PageBytes. Of its errors, those that say that since is lost are told by Lost.
type Page struct {
	Channel      string
	Publications []*engine.Publication
	Epoch        uint64
	Position     engine.Position // the place after the last of them
	More         bool
}

const (
	// MaxPage is how many messages a page has at most.
	MaxPage = 1000

	// DefaultPage is how many it has if nobody said how many.
	DefaultPage = 100

	// PageBytes is how many bytes of messages are enough for a page.
	PageBytes = 256 << 10
)

// PageLimit returns how many messages a page may have where so many were asked for; 0 is
// nobody said. Its error is a fault.
func PageLimit(n int) (int, error) {
	switch {
	case n == 0:
		return DefaultPage, nil
	case n < 0 || n > MaxPage:
		return 0, fault.Malformed.With(fmt.Sprintf("The limit %d is not from 1 to %d.", n, MaxPage))
	}
	return n, nil
}

// NewPage makes a page of what [boreas.Hub.History] returned for since and a limit.
func NewPage(channel string, since engine.Position, h engine.History) Page {
	p := Page{Channel: channel, Epoch: h.Head.Epoch, Position: since}
	if since.IsZero() {
		p.Position = h.Floor
	}
	p.Publications, p.More = h.Publications, h.More
	if n := len(p.Publications); n > 0 {
		p.Position = engine.Position{Epoch: p.Epoch, Offset: p.Publications[n-1].Offset}
	}
	return p
}

// ReplyBytes is the maximum size of a reply in bytes without the requested texts: its members,
// positions, an id.
const ReplyBytes = 1024

// messageBytes is how many bytes a page has for each message in addition to its data.
const messageBytes = 80

// Bytes returns how many bytes the page has as an answer, at most.
func (p *Page) Bytes() int {
	n := 2*len(p.Channel) + ReplyBytes
	for _, pub := range p.Publications {
		n += len(pub.Data) + messageBytes
	}
	return n
}

// AppendMessages appends the messages of the page to the list begun in dst.
func (p *Page) AppendMessages(dst []byte) []byte {
	var at []byte
	for _, pub := range p.Publications {
		at = engine.Position{Epoch: p.Epoch, Offset: pub.Offset}.Append(at[:0])
		dst = wire.AppendV2HistoryMessage(dst, pub.Data, at)
	}
	return dst
}

// HistoryFault returns what a client is told when a page could not be read: with the
// oldest place, if since is lost.
func HistoryFault(h engine.History, err error) wire.V2Fault {
	f := fault.Wire(err)
	if errors.Is(err, engine.ErrExpired) || errors.Is(err, engine.ErrUnknownEpoch) || errors.Is(err, engine.ErrAhead) {
		f.Oldest = h.Floor.Append(nil)
	}
	return f
}
