package boreas

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/listing"
)

// SessionInfo describes a session.
type SessionInfo struct {
	ID        string    // see [Session.ID]
	User      string    // "" while anonymous
	TokenID   string    // "" while anonymous
	Expires   time.Time // when its token expires; zero if it does not expire
	Transport string    // the transport's name for itself
	Address   string    // of the client; "" if unknown
	Since     time.Time
	Channels  []string // joined channels, in the order of the joins

	Behind  int           // messages that are kept and not yet written to it, of all channels
	Blocked time.Duration // for how long its connection has accepted no byte; 0 if it accepts them
	Gaps    uint64        // gaps that it has received
	Sent    uint64        // messages that were written to it

	Places []Place // in the order of Channels; only from [Hub.SessionInfo]
}

// ChannelInfo describes a channel.
type ChannelInfo struct {
	Name        string
	Subscribers int
	Head        engine.Position
	Oldest      engine.Position // the position after which the log is complete
	Published   uint64          // see [engine.Counter]; 0 if the engine does not count
	Rule        *Rule           // the channel's rule; must not be changed
}

// Rule returns the rule of a channel.
func (h *Hub) Rule(channel string) *Rule { return h.rules.Load().For(channel) }

// History reads a channel's log; see [engine.Engine.Read]. Further errors: [access.ErrChannelName],
// [ErrEngineBusy] and [ErrEngineTimeout].
func (h *Hub) History(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	return h.history(ctx, forBackend, channel, since, limit)
}

func (h *Hub) history(ctx context.Context, c caller, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	if err := access.ValidChannel(channel); err != nil {
		return engine.History{}, err
	}
	return h.read(ctx, c, channel, since, limit)
}

// Purge drops all messages that the engine keeps of a channel, and returns the position up to which
// they are gone; see [engine.Purger]. Sessions on the channel learn nothing. One that is behind may
// still receive messages that the hub has in memory for it, and gets a gap with the reason [GapPurged]
// for all others. Errors: [access.ErrChannelName], [ErrNoPurge], [ErrEngineBusy], [ErrEngineTimeout],
// and those of the engine's Purge.
func (h *Hub) Purge(ctx context.Context, channel string) (engine.Position, error) {
	if err := access.ValidChannel(channel); err != nil {
		return engine.Position{}, err
	}
	return h.callPurge(ctx, channel)
}

// History is like [Hub.History], if the session's grant allows it. Further errors: those of
// [access.Grant.May].
func (s *Session) History(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	if err := s.Grant().May(access.VerbHistory, channel); err != nil {
		return engine.History{}, err
	}
	return s.hub.history(ctx, forSession, channel, since, limit)
}

// Presence is like [Hub.Presence], if the session's grant allows it. Further errors: those of
// [access.Grant.May].
func (s *Session) Presence(channel string) (PresenceState, error) {
	if err := s.Grant().May(access.VerbPresence, channel); err != nil {
		return PresenceState{}, err
	}
	return s.hub.Presence(channel)
}

// Presence returns the users on a channel. Errors: [access.ErrChannelName], [ErrNoPresence].
func (h *Hub) Presence(channel string) (PresenceState, error) {
	if err := access.ValidChannel(channel); err != nil {
		return PresenceState{}, err
	}
	rule := h.Rule(channel)
	if rule.Presence == PresenceOff {
		return PresenceState{}, ErrNoPresence
	}
	if p := h.channels.findPresence(channel); p != nil {
		return p.state(), nil
	}
	return emptyPresence(rule.Presence), nil
}

// Subscribers returns the number of sessions that have joined a channel.
func (h *Hub) Subscribers(channel string) int {
	ch := h.channels.find(channel)
	if ch == nil {
		return 0
	}
	return ch.subscribers()
}

// Channel describes a channel. An unknown channel has no subscribers and an empty log. Errors:
// [access.ErrChannelName], and those of the engine's Read.
func (h *Hub) Channel(ctx context.Context, name string) (ChannelInfo, error) {
	bounds, err := h.History(ctx, name, engine.Position{}, engine.Limit{})
	if err != nil {
		return ChannelInfo{}, err
	}
	return ChannelInfo{Name: name, Subscribers: h.Subscribers(name), Head: bounds.Head, Oldest: bounds.Floor, Published: h.published(name), Rule: h.Rule(name)}, nil
}

// ListChannels describes channels in the order of their names: the first ones that begin with the
// prefix and come after the name given, at most limit. It lists channels that have subscribers and,
// if the engine is an [engine.Lister], channels that have publications. More reports whether
// further channels follow. Errors: those of the engine, [engine.ErrClosed].
func (h *Hub) ListChannels(ctx context.Context, prefix, after string, limit int) (list []ChannelInfo, more bool, err error) {
	names, more, err := h.ChannelNames(ctx, prefix, after, limit)
	if err != nil {
		return nil, false, err
	}
	for _, name := range names {
		info, err := h.Channel(ctx, name)
		if err != nil {
			return nil, false, err
		}
		list = append(list, info)
	}
	return list, more, nil
}

// ChannelNames returns the names of the channels that [Hub.ListChannels] describes.
func (h *Hub) ChannelNames(ctx context.Context, prefix, after string, limit int) (names []string, more bool, err error) {
	page := listing.NewNamePage(prefix, after, limit+1)
	h.channels.list(page)
	if names, err = h.logNames(ctx, prefix, after, limit+1); err != nil {
		return nil, false, err
	}
	names = append(names, page.Sorted()...)
	slices.Sort(names)
	names = slices.Compact(names)
	if more = len(names) > limit; more {
		names = names[:limit]
	}
	return names, more, nil
}

// ChannelCounts counts the subscribers of channels, in the order of their names: like
// [Hub.ListChannels], but only of channels that this hub uses, and without the engine.
func (h *Hub) ChannelCounts(prefix, after string, limit int) (list []Count, more bool) {
	page := listing.NewNamePage(prefix, after, limit+1)
	h.channels.list(page)
	names := page.Sorted()
	if more = len(names) > limit; more {
		names = names[:limit]
	}
	for _, name := range names {
		list = append(list, Count{name, h.Subscribers(name)})
	}
	return list, more
}

// ListSessions describes at most limit live sessions of this hub, in the order of their IDs: by
// node, then by number. The list starts after the given ID, or at the first session if that is "".
// Its session need not exist any more, and may belong to another node. More reports whether further
// sessions of this hub follow. Error: [ErrNoSession] if after is not an ID.
func (h *Hub) ListSessions(after string, limit int) (list []SessionInfo, more bool, err error) {
	var least uint64
	if after != "" {
		node, number, ok := parseSessionID(after)
		switch own := h.options.Node; {
		case !ok, node != "" && own == "": // a hub without a node has no other nodes
			return nil, false, ErrNoSession
		case node > own:
			return nil, false, nil
		case node == own:
			least = number
		}
	}
	for {
		p := listing.Page[*Session]{Limit: limit - len(list) + 1, Compare: func(a, b *Session) int { return cmp.Compare(a.number, b.number) }}
		for i := range pingSlots {
			for _, s := range h.registry.slot(i) {
				if s.number > least && p.Wants(s) {
					p.Add(s)
				}
			}
		}
		for _, s := range p.Sorted() {
			if len(list) == limit {
				return list, true, nil
			}
			least = s.number
			if info, live := s.info(); live {
				list = append(list, info)
			}
		}
		if !p.Full() {
			return list, false, nil
		} // otherwise some of them have ended, and further sessions may follow
	}
}

// SessionInfo describes a live session of this hub. Error: [ErrNoSession]; see [SessionNode].
func (h *Hub) SessionInfo(id string) (SessionInfo, error) {
	s, err := h.session(id)
	if err != nil {
		return SessionInfo{}, err
	}
	info, places, live := s.infoAndPlaces()
	if !live {
		return SessionInfo{}, ErrNoSession
	}
	info.Behind, info.Places = h.countBehind(places), places
	return info, nil
}

// EndSession ends a session of this hub for the reason. Error: [ErrNoSession]; see [SessionNode].
func (h *Hub) EndSession(id string, reason error) error {
	s, err := h.session(id)
	if err != nil {
		return err
	}
	s.End(reason)
	return nil
}

func (h *Hub) session(id string) (*Session, error) {
	node, number, ok := parseSessionID(id)
	if !ok || node != h.options.Node {
		return nil, ErrNoSession
	}
	s := h.registry.find(number)
	if s == nil {
		return nil, ErrNoSession
	}
	return s, nil
}

// A Describer is a [Conn] that can describe itself, for [Hub.ListSessions].
type Describer interface {
	// Describe returns the name of the transport and the client's address.
	Describe() (transport, address string)
}

// info describes the session without its places; live is false if the session has ended.
func (s *Session) info() (info SessionInfo, live bool) {
	info, places, live := s.infoAndPlaces()
	info.Behind = s.hub.countBehind(slices.DeleteFunc(places, func(p Place) bool { return p.Behind == 0 }))
	return info, live
}

// infoAndPlaces describes the session, and returns its places. Only those have a Behind that have
// later publications; it is not the number of these, but at least as large.
func (s *Session) infoAndPlaces() (info SessionInfo, places []Place, live bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return SessionInfo{}, nil, false
	}
	info = SessionInfo{
		ID: s.ID(), User: s.user(), Since: time.Unix(0, s.started), Channels: []string{},
		Blocked: s.blockedFor(), Gaps: uint64(s.gaps), Sent: s.delivered,
	}
	if s.grant != nil {
		info.TokenID = s.grant.TokenID
	}
	if s.expiry != nil {
		info.Expires = s.expiry.at
	}
	info.Transport, info.Address = s.describe()
	for _, sub := range s.subs {
		if sub.channel().feed == nil {
			info.Channels = append(info.Channels, sub.channel().name)
			places = append(places, Place{Channel: sub.channel().name, Position: sub.position(), Behind: int(sub.distance())})
		}
	}
	return info, places, true
}

// Counts has the number of sessions of each identity and each channel.
type Counts struct {
	Anonymous  int     // sessions that have not authenticated
	Identities []Count // with at least one session, sorted by name
	Channels   []Count // with at least one session that has joined, sorted by name
}

// Count is the number of sessions of one name.
type Count struct {
	Name     string
	Sessions int
}

// Counts counts the sessions of each identity and channel. The three parts are counted one after
// the other, so they may not match exactly.
func (h *Hub) Counts() Counts {
	var c Counts
	c.Anonymous, c.Identities = h.registry.counts()
	c.Channels = []Count{}
	h.channels.each(func(ch *channel) {
		if n := ch.subscribers(); n > 0 { // 0 if only a lost session lingers, or a join is under way
			c.Channels = append(c.Channels, Count{ch.name, n})
		}
	})
	byName := func(a, b Count) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(c.Identities, byName)
	slices.SortFunc(c.Channels, byName)
	return c
}

// Identities returns the identities that have at least one session, sorted.
func (h *Hub) Identities() []string { return slices.Sorted(slices.Values(h.registry.names())) }

// ChannelIdentities returns the identity of each session on the channel, sorted. An identity with
// several sessions there occurs several times. For a channel without sessions the list is empty.
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
