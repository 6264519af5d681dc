package boreas

import (
	"cmp"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/listing"
)

// MostSubscribed counts the subscribers of the channels of this hub whose names begin with the prefix
// and that have the most subscribers: at most limit, most first.
func (h *Hub) MostSubscribed(prefix string, limit int) []Count {
	p := listing.Page[Count]{Limit: limit, Compare: func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), strings.Compare(a.Name, b.Name))
	}}
	h.channels.each(func(ch *channel) {
		c := Count{ch.name, ch.subscribers()}
		if c.Sessions > 0 && strings.HasPrefix(c.Name, prefix) && p.Wants(c) {
			p.Add(c)
		}
	})
	return p.Sorted()
}

// MostPublished returns the channels whose names begin with the prefix and that have got the most
// publications: at most limit, most first. It is empty if the engine is no [engine.Counter].
func (h *Hub) MostPublished(prefix string, limit int) []engine.Published {
	if h.counter == nil {
		return nil
	}
	return h.counter.MostPublished(prefix, limit)
}

func (h *Hub) published(channel string) uint64 {
	if h.counter == nil {
		return 0
	}
	return h.counter.Published(channel)
}
