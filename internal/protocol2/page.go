package protocol2

import (
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/fault"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// Page is a page of a channel's history (clause 7).
type Page struct {
	Channel      string
	Publications []*engine.Publication
	Epoch        uint64
	Position     engine.Position // after the last of them
	More         bool
}

const (
	// MaxPage is the maximum number of messages in a page.
	MaxPage = 1000

	// DefaultPage is the maximum number if the request does not say it.
	DefaultPage = 100

	// PageBytes is the size of messages in bytes after which a page ends.
	PageBytes = 256 << 10
)

// PageLimit returns the maximum number of messages in a page for the request's limit. 0 means that
// the request has no limit.
func PageLimit(n int) (int, error) {
	switch {
	case n == 0:
		return DefaultPage, nil
	case n < 0 || n > MaxPage:
		return 0, fault.Malformed.With(fmt.Sprintf("The limit %d is not from 1 to %d.", n, MaxPage))
	}
	return n, nil
}

// NewPage returns the page of a result of [boreas.Hub.History] for the position since.
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

// messageBytes is the maximum size of a message in a page in bytes, without its data.
const messageBytes = 80

// Bytes returns the maximum size of the reply with the page in bytes.
func (p *Page) Bytes() int {
	n := 2*len(p.Channel) + ReplyBytes
	for _, pub := range p.Publications {
		n += len(pub.Data) + messageBytes
	}
	return n
}

// AppendMessages appends the elements of the reply's list of messages.
func (p *Page) AppendMessages(dst []byte) []byte {
	var at []byte
	for _, pub := range p.Publications {
		at = engine.Position{Epoch: p.Epoch, Offset: pub.Offset}.Append(at[:0])
		dst = wire.AppendV2HistoryMessage(dst, pub.Data, at)
	}
	return dst
}

// HistoryFault returns the error object for a page that could not be read. It contains the oldest
// position if since is no longer available.
func HistoryFault(h engine.History, err error) wire.V2Fault {
	f := Fault(err)
	if errors.Is(err, engine.ErrExpired) || errors.Is(err, engine.ErrUnknownEpoch) || errors.Is(err, engine.ErrAhead) {
		f.Oldest = h.Floor.Append(nil)
	}
	return f
}
