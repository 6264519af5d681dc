package boreas

import (
	"cmp"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/internal/listing"
)

// This file is about how far sessions are behind, for operators. The answers are not exact: messages
// are published and written meanwhile.

// Place is the place of a session in a channel that it has joined.
type Place struct {
	Channel  string
	Position engine.Position // of the newest message that was written to the session
	Behind   int             // number of kept messages after Position
}

// A SessionOrder is an order of sessions for [Hub.TopSessions].
type SessionOrder int

// The orders of sessions.
const (
	MostBehind  SessionOrder = iota // sessions with the most waiting messages first
	NewestFirst                     // sessions that started last first
)

// TopSessions describes the first live sessions of this hub in the order, at most limit. Wanted
// selects sessions by their user and the ID of their token, which are "" while they are anonymous;
// nil means all.
func (h *Hub) TopSessions(order SessionOrder, limit int, wanted func(user, token string) bool) []SessionInfo {
	p := listing.Page[rankedSession]{Limit: limit, Compare: rankedSession.compare}
	var places []Place
	for i := range pingSlots {
		for _, s := range h.registry.slot(i) {
			r := rankedSession{s, uint64(s.started)}
			if order == NewestFirst && !p.Wants(r) {
				continue
			}
			var most uint64
			var ok bool
			places, most, ok = s.lagging(places[:0], order == MostBehind, wanted)
			if order == MostBehind {
				r.rank = most
				if p.Wants(r) { // otherwise the session is not among the first ones, because most is an upper bound
					r.rank = uint64(h.countBehind(places))
				}
			}
			if ok && p.Wants(r) {
				p.Add(r)
			}
		}
	}
	list := []SessionInfo{}
	for _, r := range p.Sorted() {
		info, live := r.session.info()
		if !live {
			continue
		}
		if order == MostBehind {
			info.Behind = int(r.rank) // otherwise a session could be out of order
		}
		list = append(list, info)
	}
	return list
}

// rankedSession is a session with the number by which it is ordered.
type rankedSession struct {
	session *Session
	rank    uint64
}

func (r rankedSession) compare(other rankedSession) int {
	return cmp.Or(cmp.Compare(other.rank, r.rank), cmp.Compare(r.session.number, other.session.number))
}

// lagging appends the places of the session in channels with later publications, for countBehind, if
// walk is set. Most is at least the number of these publications. Ok is false if the session has ended
// or is not wanted.
func (s *Session) lagging(dst []Place, walk bool, wanted func(user, token string) bool) (places []Place, most uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return dst, 0, false
	}
	if wanted != nil {
		token := ""
		if s.grant != nil {
			token = s.grant.TokenID
		}
		if !wanted(s.user(), token) {
			return dst, 0, false
		}
	}
	if !walk {
		return dst, 0, true
	}
	for _, sub := range s.subs {
		if n := sub.distance(); n > 0 {
			most += n
			dst = append(dst, Place{Channel: sub.channel().name, Position: sub.position(), Behind: int(n)})
		}
	}
	return dst, most, true
}

// distance returns the difference of offsets between the channel's head and the subscription's
// cursor: at least the number of publications that wait for the session. It is 0 for presence
// events, and after a reset of the log, which makes the session go on at the head.
func (sub *subscription) distance() uint64 {
	l := sub.life.Load()
	head, at := l.ch.head.Load(), sub.cursor.Load()
	if at >= head || l.ch.feed != nil || l != l.ch.life.Load() {
		return 0
	}
	return head - at
}

// countBehind counts the messages after each place whose Behind is not 0, and returns the sum. The
// caller holds no lock.
func (h *Hub) countBehind(places []Place) (sum int) {
	for i := range places {
		if places[i].Behind == 0 {
			continue
		}
		places[i].Behind = h.waiting(places[i].Channel, places[i].Position)
		sum += places[i].Behind
	}
	return sum
}

// waiting returns how many messages of a channel are kept after the position of a session.
func (h *Hub) waiting(channel string, at engine.Position) int {
	if h.counter != nil {
		return h.counter.CountAfter(channel, at)
	}
	ch := h.channels.find(channel)
	if ch == nil || ch.life.Load().epoch != at.Epoch {
		return 0
	}
	return int(ch.head.Load() - min(at.Offset, ch.head.Load()))
}

// took records that the connection accepted n of the bytes of a write. The caller holds mu.
func (s *Session) took(n, all int) {
	switch {
	case n == all:
		s.blocked = 0
	case n > 0 || s.blocked == 0:
		s.blocked = blockedNow()
	}
}

// blockedFor returns for how long the connection has accepted no byte; 0 if it accepts them. The
// caller holds mu.
func (s *Session) blockedFor() time.Duration {
	if s.blocked == 0 {
		return 0
	}
	return time.Duration(blockedNow()-s.blocked) * time.Millisecond
}

// blockedNow returns the current moment in the form of Session.blocked, which is never 0. Only
// differences have a meaning: it begins again every 49 days.
func blockedNow() uint32 { return uint32(clock.Now().Sub(0)/time.Millisecond) | 1 }

// countGap counts a gap of the session. The caller holds mu.
func (s *Session) countGap(reason GapReason) {
	s.gaps++
	s.hub.stats.gap(reason)
}
