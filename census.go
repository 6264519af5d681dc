package boreas

import (
	"slices"
	"strings"
)

// A Census is who is where at one moment.
type Census struct {
	Anonymous  int     // sessions that have not authenticated
	Identities []Count // each with at least one session, sorted by name
	Channels   []Count // each with at least one session that has joined it, sorted by name
}

// Count is how many sessions belong to a name.
type Count struct {
	Name     string
	Sessions int
}

// Census counts the sessions of each identity and channel. The three parts are
// taken one after the other, so they can differ by what happens meanwhile.
func (h *Hub) Census() Census {
	var c Census
	c.Anonymous, c.Identities = h.registry.counts()
	c.Channels = []Count{}
	h.channels.each(func(ch *channel) {
		if n := ch.subscribers(); n > 0 { // or a lost session lingers on it, or a join is under way
			c.Channels = append(c.Channels, Count{ch.name, n})
		}
	})
	byName := func(a, b Count) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(c.Identities, byName)
	slices.SortFunc(c.Channels, byName)
	return c
}

// Identities returns each identity that has at least one session, once, sorted.
func (h *Hub) Identities() []string { return slices.Sorted(slices.Values(h.registry.names())) }

// ChannelIdentities returns the identity of each session on the channel, sorted. An identity
// with several sessions there occurs several times. The result is empty for a channel without
// sessions.
func (h *Hub) ChannelIdentities(channel string) []string {
	names := []string{}
	ch := h.channels.find(channel)
	if ch == nil {
		return names
	}
	for _, sub := range ch.subscriptions() {
		if name := sub.session.Identity(); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
