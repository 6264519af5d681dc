package boreas

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// presencePlace is a place in the order of [Hub.OwnPresence]. It is the zero value before the first
// one.
type presencePlace struct {
	shard            int
	channel, session string
}

// errPresencePlace means that a text is no place.
var errPresencePlace = errors.New("boreas: the place in the list of present sessions is not one that the hub returned")

func (at presencePlace) String() string {
	return strconv.Itoa(at.shard) + " " + at.session + " " + at.channel // the channel last, because it may contain spaces
}

func parsePresencePlace(text string) (at presencePlace, err error) {
	if text == "" {
		return at, nil
	}
	shard, rest, ok := strings.Cut(text, " ")
	if ok {
		at.session, at.channel, ok = strings.Cut(rest, " ")
	}
	if at.shard, err = strconv.Atoi(shard); err != nil || !ok || at.shard < 0 || at.shard >= channelShards {
		return presencePlace{}, fmt.Errorf("%w: %.80q", errPresencePlace, text)
	}
	return at, nil
}

// OwnPresence returns a page of this hub's own sessions that are present on channels, as changes of
// the kind [PresenceEnter]. The first page comes after "", and each further one after the next of the
// page before. Next is "" after the last page. A page has about size bytes as JSON text, and at least
// one entry. A session that is present all the time is on one page. One that enters or leaves
// meanwhile may be missing; [Options.PresenceChanged] reports it.
func (h *Hub) OwnPresence(after string, size int) (page []PresenceChange, next string, err error) {
	at, err := parsePresencePlace(after)
	if err != nil {
		return nil, "", err
	}
	for ; at.shard < channelShards; at = (presencePlace{shard: at.shard + 1}) {
		all := h.channels.presences(at.shard)
		all = slices.DeleteFunc(all, func(p *presence) bool { return p.events.name < at.channel })
		slices.SortFunc(all, func(a, b *presence) int { return cmp.Compare(a.events.name, b.events.name) })
		for _, p := range all {
			session := ""
			if p.events.name == at.channel {
				session = at.session
			}
			for _, c := range p.own(session) {
				if size <= 0 && len(page) > 0 {
					last := page[len(page)-1]
					return page, presencePlace{h.channels.shardIndex(last.Channel), last.Channel, last.Session}.String(), nil
				}
				page = append(page, c)
				size -= c.size()
			}
		}
	}
	return page, "", nil
}

// size returns an estimate of the change's length as JSON text.
func (c *PresenceChange) size() int {
	const names = 100 // of the fields, and punctuation
	return names + len(c.Channel) + len(c.Session) + len(c.User) + len(c.Info)
}

// own returns this node's own places after a session, in the order of the sessions.
func (p *presence) own(after string) (list []PresenceChange) {
	p.mu.Lock()
	for _, pl := range p.who.places {
		if pl.node == nil && pl.session > after {
			u := pl.user
			list = append(list, PresenceChange{Kind: PresenceEnter, Channel: p.events.name, Session: pl.session, User: u.name, Info: u.info, Verified: u.verified})
		}
	}
	p.mu.Unlock()
	slices.SortFunc(list, func(a, b PresenceChange) int { return strings.Compare(a.Session, b.Session) })
	return list
}
