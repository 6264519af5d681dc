package boreas

import (
	"cmp"
	"context"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/listing"
)

// This file tells operators whether a message has arrived, and which sessions have it.

// Message returns the message at a position of a channel, and the position after which the log is
// complete. Errors: [ErrNoMessage], [engine.ErrExpired], [engine.ErrUnknownEpoch], [engine.ErrAhead],
// and those of [Hub.History]. The floor is valid with the first four of them.
func (h *Hub) Message(ctx context.Context, channel string, at engine.Position) (p *engine.Publication, floor engine.Position, err error) {
	since, limit := at, engine.Limit{}
	if at.Offset > 0 { // otherwise it is the start of a log
		since.Offset--
		limit.Messages = 1
	}
	found, err := h.History(ctx, channel, since, limit)
	switch {
	case err != nil:
		return nil, found.Floor, err
	case len(found.Publications) > 0 && found.Publications[0].Offset == at.Offset:
		return found.Publications[0], found.Floor, nil
	case at.Offset > found.Head.Offset:
		return nil, found.Floor, engine.ErrAhead
	default:
		return nil, found.Floor, ErrNoMessage
	}
}

// Reach says which sessions of a hub have a message; see [Hub.Reach].
type Reach struct {
	Sessions int    // sessions that were on the channel before the message, as far as known
	Reached  int    // those that have it, or are past it
	Behind   []Late // those that do not have it, or the first of them, most behind first
}

// Late is a session that does not have a message yet.
type Late struct {
	Session string // its ID
	User    string
	Behind  int           // number of kept messages after its place on the channel
	Blocked time.Duration // for how long its connection has accepted no byte; 0 if it accepts them
}

// Reach returns which sessions of this hub have the message at a position of a channel. It lists at
// most limit sessions that do not have it. The answer is not exact, because messages are published
// and written meanwhile.
//
// A session counts if it joined before the message, or if it does not have the message yet. A session
// that resumed after the message, and has it, does not count: the hub does not know where it resumed.
// A session that received a gap instead of the message counts as one that has it.
//
// Reach visits every session on the channel. It holds the lock of one session at a time.
func (h *Hub) Reach(channel string, at engine.Position, limit int) Reach {
	r := Reach{Behind: []Late{}}
	ch := h.channels.find(channel)
	if ch == nil {
		return r
	}
	p := listing.Page[lateSession]{Limit: limit, Compare: lateSession.compare}
	for _, sub := range ch.subscriptions() {
		born, cursor, ok := sub.reached(at.Epoch)
		if !ok || born >= at.Offset && cursor >= at.Offset {
			continue
		}
		r.Sessions++
		if cursor >= at.Offset {
			r.Reached++
		} else if l := (lateSession{sub.session, cursor}); p.Wants(l) {
			p.Add(l)
		}
	}
	for _, l := range p.Sorted() {
		if late, ok := l.describe(); ok {
			// The engine may not know yet the message that it has accepted.
			late.Behind = max(1, h.waiting(channel, engine.Position{Epoch: at.Epoch, Offset: l.cursor}))
			r.Behind = append(r.Behind, late)
		}
	}
	return r
}

// reached returns the head of the channel when the session joined, and the session's cursor. Both are
// offsets of the epoch. Ok is false if the session has ended, or belongs to another epoch.
func (sub *subscription) reached(epoch uint64) (born, cursor uint64, ok bool) {
	sub.session.mu.Lock()
	defer sub.session.mu.Unlock()
	born, cursor = sub.born, sub.cursor.Load()
	l := sub.life.Load()
	if now := l.ch.life.Load(); l != now { // the session is about to continue there; see Session.renew
		l, born, cursor = now, now.from, now.from
	}
	return born, cursor, l.epoch == epoch && !sub.session.ending
}

// lateSession is a session with its cursor on a channel.
type lateSession struct {
	session *Session
	cursor  uint64
}

func (l lateSession) compare(other lateSession) int {
	return cmp.Or(cmp.Compare(l.cursor, other.cursor), cmp.Compare(l.session.number, other.session.number))
}

// describe describes the session, unless it has ended.
func (l lateSession) describe() (Late, bool) {
	s := l.session
	s.mu.Lock()
	defer s.mu.Unlock()
	return Late{Session: s.ID(), User: s.user(), Blocked: s.blockedFor()}, !s.ending
}
