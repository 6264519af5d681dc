package protocol2

import (
	"errors"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// Page is a page of a channel's history (clause 7).
type Page struct {
	Channel      string
	Publications []*engine.Publication
	Epoch        uint64
	Times        bool            // whether to tell the times of the messages
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

// NewPage returns the page for a request, from the result of [HistoryRequest.Read].
func NewPage(channel string, r *HistoryRequest, h engine.History) Page {
	p := Page{Channel: channel, Epoch: h.Head.Epoch, Publications: h.Publications, Times: r.Times, More: h.More}
	switch n := len(h.Publications); {
	case n > 0:
		p.Position = engine.Position{Epoch: p.Epoch, Offset: h.Publications[n-1].Offset}
	case r.Last > 0:
		p.Position = h.Head
	case !r.Before.IsZero():
		p.Position = r.Before
	case !r.Since.IsZero():
		p.Position = r.Since
	default:
		p.Position = h.Floor
	}
	return p
}

// Maximum sizes in bytes of a message in a page, without its data, and of its time.
const (
	messageBytes = 80
	timeBytes    = 40
)

// Bytes returns the maximum size of the reply with the page in bytes.
func (p *Page) Bytes() int {
	n := 2*len(p.Channel) + ReplyBytes
	each := messageBytes
	if p.Times {
		each += timeBytes
	}
	for _, pub := range p.Publications {
		n += len(pub.Data) + each
	}
	return n
}

// AppendMessages appends the elements of the reply's list of messages.
func (p *Page) AppendMessages(dst []byte) []byte {
	var at []byte
	for _, pub := range p.Publications {
		at = engine.Position{Epoch: p.Epoch, Offset: pub.Offset}.Append(at[:0])
		var published time.Time
		if p.Times {
			published = time.Unix(0, pub.Time)
		}
		dst = wire.AppendV2HistoryMessage(dst, pub.Data, at, published)
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
