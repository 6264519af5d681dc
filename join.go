package boreas

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
)

// A Join says where on a channel a session begins.
type Join struct {
	Channel string

	// Since is a position: if every later publication is still kept, the session starts there. The
	// zero Position requests nothing.
	Since engine.Position

	// Last is how many of the newest publications come first, if Since is not given or is not
	// available. It counts as 0 if Since is given and the grant does not allow [access.VerbHistory].
	Last int

	// Watch asks for the channel's presence events.
	Watch bool

	// Info is shown to those who watch: nil or one JSON text of at most [MaxInfo] bytes.
	Info json.RawMessage

	// Err, if set by the caller, becomes the result: the channel is not joined.
	Err error
}

// A Joined is the result of one Join.
type Joined struct {
	// Err is why the channel was not joined. Errors: [access.ErrChannelName], those of [access.Grant.May],
	// [ErrTooManyChannels], [ErrTooManyUserChannels], [ErrTooManyAddressChannels],
	// [ErrTooManyJoinedChannels], [ErrTooManySubscribers], [ErrAlreadyJoined], [ErrNoPresence],
	// [ErrInfoTooLarge], [ErrTooManyMembers], [ErrEngineBusy], [ErrEngineTimeout], [engine.ErrClosed] if
	// the session has ended, and those of the engine. All other fields are zero in that case.
	Err error

	// Position is where the session begins.
	Position engine.Position

	// Recovered tells that Position is the Since asked for, and everything after
	// it comes. If it is false and there was a Since, Gap says what is missing,
	// and Oldest is the oldest place from which everything is kept.
	Recovered bool
	Gap       Gap
	Oldest    engine.Position

	// Presence is who is there, before the first event; nil unless Watch was set.
	Presence *PresenceState
}

// Join subscribes the session to channels. Ctx bounds the calls of the engine. The results are in the order of the joins;
// one failure leaves the others alone. Answer, if not nil, appends to dst what the peer
// is to be told of the results: that comes before any publication of these channels.
// It is called once, unless the session has ended, and must not call the session.
//
// A session that joins a channel again stays where it is there.
func (s *Session) Join(ctx context.Context, joins []Join, answer func(dst []byte, results []Joined) []byte) []Joined {
	results := make([]Joined, len(joins))
	entries := make([]entry, len(joins))
	defer func() {
		for i := range entries {
			if ch := entries[i].ch; ch != nil { // not entered
				s.hub.release(ch)
			}
		}
	}()
	var late error
	for i := range joins {
		if late != nil { // each further channel would wait as long again
			results[i].Err = cmp.Or(joins[i].Err, late)
			continue
		}
		// Without the lock, because an engine may be slow.
		entries[i], results[i] = s.prepare(ctx, &joins[i])
		if err := results[i].Err; errors.Is(err, ErrEngineTimeout) || err != nil && ctx.Err() != nil {
			late = err
		}
	}
	s.mu.Lock()
	told := map[string]bool{} // a snapshot may be large, and a name short: one for each is enough
	members := 0
	for i := range joins {
		j, r := joins[i], &results[i]
		if r.Err == nil && j.Watch {
			j.Watch = !told[j.Channel]
			told[j.Channel] = true
			if j.Watch && members >= maxSnapshots {
				r.Err = ErrTooManyMembers
			}
			if r.Err == nil && j.Watch && entries[i].ch != nil && entries[i].ch.presence != nil {
				r.Err = s.reserveMore(entries[i].ch.presence.bytes())
			}
		}
		if r.Err == nil {
			s.enter(&j, &entries[i], r)
			if r.Presence != nil {
				members += len(r.Presence.Members)
			}
		}
		if r.Err != nil {
			*r = Joined{Err: r.Err}
		}
		s.hub.stats.joined(r)
	}
	s.answer(entries, func(dst []byte) []byte {
		if answer == nil {
			return dst
		}
		return answer(dst, results)
	})
	return results
}

// maxSnapshots is how many members the snapshots of one join have together before it
// takes no more channels whose presence is asked for: a megabyte or so.
const maxSnapshots = 5000

// entry is a join that is being prepared: the channel, of which it holds a reference,
// and where to begin.
type entry struct {
	ch   *channel
	life *life                 // of the log, to which at belongs
	at   uint64                // offset
	pubs []*engine.Publication // the first after that, as far as they have been read
	head engine.Position       // the log's, if it has nothing after pubs
	sub  *subscription         // set once the session has entered; ch is nil then
	last bool                  // at is the position where Last begins
}

// answer appends the answer to a join, and writes it together with the next publications. The
// caller holds mu; answer unlocks it.
func (s *Session) answer(entries []entry, appendTo func(dst []byte) []byte) {
	if s.ending {
		s.unreserve()
		s.mu.Unlock()
		return
	}
	out := appendTo(s.out)
	if err := s.mayAnswer(len(out) - len(s.out)); err != nil {
		s.endNow(err)
		return
	}
	s.out = out
	s.writeRead(entries)
	for _, e := range entries {
		if e.sub != nil && e.caughtUp() {
			e.sub.pass(e.head) // otherwise another Read would be needed to learn that there is nothing
		}
	}
	s.flushNow()
}

// caughtUp reports whether everything in the log has been written.
func (e *entry) caughtUp() bool {
	if e.head.IsZero() {
		return false
	}
	at := e.at
	if n := len(e.pubs); n > 0 {
		at = e.pubs[n-1].Offset
	}
	return e.sub.cursor.Load() == at
}

// writeRead writes the answer and what has been read in preparing, in one write: so
// a promise to recover is mostly kept at once, before the log can move on. The
// rest is for who writes next. The caller holds mu.
func (s *Session) writeRead(entries []entry) {
	if s.catchingUp {
		return
	}
	b, t := getBatch(), tally{}
	defer putBatch(b)
	f := s.batchFormat()
	b.begin(f, s.cut, s.out)
	for _, e := range entries {
		if e.sub != nil && !b.add(f, e.life, e.sub, e.pubs) {
			break
		}
	}
	if len(b.marks) == 0 {
		return
	}
	if o, _ := s.write(b, &t, nil); o == flushBlocked {
		s.startCatchingUp()
	} // a lost connection is found out by the next write
	t.addTo(&s.hub.stats)
}

// prepare does the part of a join that must not hold the session's lock.
func (s *Session) prepare(ctx context.Context, j *Join) (entry, Joined) {
	if err := s.mayPrepare(j); err != nil {
		return entry{}, Joined{Err: err}
	}
	ch, err := s.hub.acquire(ctx, j.Channel)
	if err != nil {
		return entry{}, Joined{Err: err}
	}
	e := entry{ch: ch, life: ch.life.Load(), at: atHead}
	r := Joined{}
	if !j.Since.IsZero() {
		h, err := s.hub.readInLife(ctx, &e, j.Since, engine.Limit{Messages: catchUpLimit, Bytes: maxWrite})
		reason, lost := gapReason(err)
		switch {
		case lost:
			r.Gap = Gap{Reason: reason, From: j.Since}
			r.Oldest = h.Floor
		case err != nil:
			return e, Joined{Err: err}
		default:
			e.at, e.pubs, r.Recovered = j.Since.Offset, h.Publications, true
			if !h.More {
				e.head = h.Head
			}
		}
	}
	if j.Last > 0 && !r.Recovered && s.mayRead(j) == nil {
		e.last = true
		h, err := s.hub.readInLife(ctx, &e, engine.Position{}, engine.Limit{Messages: -j.Last, Bytes: maxWrite})
		if err != nil {
			return e, Joined{Err: err}
		}
		e.at = h.Head.Offset // not where the head is later: what comes meanwhile is new
		if len(h.Publications) > 0 {
			// The position just before the first of them. A publication need not have it: offsets only
			// increase.
			e.at = h.Publications[0].Offset - 1
			// Not all of them, because a request can cause this thousands of times.
			e.pubs = slices.Clone(h.Publications[:min(len(h.Publications), catchUpLimit)])
			if !h.More && len(e.pubs) == len(h.Publications) {
				e.head = h.Head
			}
		}
	}
	return e, r
}

// readInLife reads the log for a join. If the engine has started another epoch, which the hub does
// not know yet, it waits for the engine's Reset: until then, no position of the new epoch can be a
// subscription's. Error: [ErrEngineTimeout] if no Reset comes.
func (h *Hub) readInLife(ctx context.Context, e *entry, since engine.Position, limit engine.Limit) (engine.History, error) {
	history, err := h.read(ctx, forSession, e.ch.name, since, limit)
	if history.Head.Epoch == 0 || history.Head.Epoch == e.life.epoch {
		return history, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.bounds.timeout)
	defer cancel()
	for {
		if e.life = e.ch.life.Load(); e.life.epoch == history.Head.Epoch {
			return history, err
		}
		select {
		case <-time.After(firstLook):
		case <-ctx.Done():
			return engine.History{}, ErrEngineTimeout
		case <-h.ctx.Done():
			return engine.History{}, engine.ErrClosed
		}
	}
}

func (s *Session) mayPrepare(j *Join) error {
	if j.Err != nil {
		return j.Err
	}
	if err := access.ValidChannel(j.Channel); err != nil {
		return err
	}
	if len(j.Info) > MaxInfo {
		return ErrInfoTooLarge
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.allows(j); err != nil {
		return err
	}
	if j.Watch && s.hub.Rule(j.Channel).Presence == PresenceOff {
		return ErrNoPresence // not told to who may not even ask
	}
	if s.find(j.Channel) != nil {
		return nil
	}
	return s.mayJoin()
}

// gapReason tells which gap an error of the engine's Read means, if any.
func gapReason(err error) (reason GapReason, lost bool) {
	switch {
	case errors.Is(err, engine.ErrExpired):
		return GapExpired, true
	case errors.Is(err, engine.ErrUnknownEpoch):
		return GapUnknownEpoch, true
	case errors.Is(err, engine.ErrAhead):
		return GapAhead, true
	}
	return "", false
}

// enter does the rest of a join. The caller holds mu. It takes the entry's reference,
// unless the session does not enter.
func (s *Session) enter(j *Join, e *entry, r *Joined) {
	if r.Err = s.allows(j); r.Err != nil { // what may have changed meanwhile
		return
	}
	if e.last {
		if r.Err = s.grant.May(access.VerbHistory, j.Channel); r.Err != nil {
			return
		}
	}
	if sub := s.find(j.Channel); sub != nil && !s.ending {
		if !j.Since.IsZero() || j.Last > 0 {
			r.Err = ErrAlreadyJoined
			return
		}
		r.Position = sub.position()
		s.watch(j, sub.channel(), r)
		return
	}
	if r.Err = s.mayJoin(); r.Err != nil { // the same
		return
	}
	if r.Err = s.hub.registry.addChannels(s, 1); r.Err != nil {
		return
	}
	sub := newSubscription(s, e.ch)
	// Before the channel knows of it, so that a sweeper that visits the session
	// finds it there.
	s.addSub(sub)
	var first bool
	if first, r.Err = e.ch.add(sub, e.life, e.at); r.Err != nil {
		s.removeLast()
		s.hub.registry.addChannels(s, -1)
		return
	}
	s.hub.stats.subscribed(first)
	e.ch, e.sub = nil, sub
	r.Position = sub.position()
	if r.Gap.Reason != "" {
		r.Gap.To = r.Position
	}
	if p := sub.channel().presence; p != nil {
		p.enterWith(s.ID(), s.user(), j.Info, s.verifiedInfo())
	}
	s.watch(j, sub.channel(), r)
}

// verifiedInfo returns the info of the session's token, or "". The caller holds mu.
func (s *Session) verifiedInfo() string {
	if s.grant == nil {
		return ""
	}
	return s.grant.Info
}

// watch subscribes the session to a channel's presence events, if it is to be. The
// caller holds mu.
func (s *Session) watch(j *Join, ch *channel, r *Joined) {
	if !j.Watch || ch.presence == nil || s.notices() == nil {
		return
	}
	var state PresenceState
	if sub := s.findFeed(j.Channel); sub != nil {
		state = ch.presence.rewatch(sub) // it includes the publications that are on their way
	} else {
		sub := newSubscription(s, ch.presence.events)
		s.hub.room.add(subscriptionCost)
		s.addSub(sub)
		state = ch.presence.watch(sub)
	}
	r.Presence = &state
}

// allows returns nil if the session's grant allows the join. The caller holds mu.
func (s *Session) allows(j *Join) error {
	if s.ending {
		return engine.ErrClosed
	}
	if err := s.grant.May(access.VerbJoin, j.Channel); err != nil {
		return err
	}
	if j.Watch {
		if err := s.grant.May(access.VerbPresence, j.Channel); err != nil {
			return err
		}
	}
	if j.Last > 0 && j.Since.IsZero() {
		return s.grant.May(access.VerbHistory, j.Channel)
	}
	return nil
}

// mayRead returns an error if the grant does not allow reading the history that Last asks for.
func (s *Session) mayRead(j *Join) error {
	return s.Grant().May(access.VerbHistory, j.Channel)
}

func (s *Session) mayJoin() error {
	if int(s.joined) >= s.hub.options.MaxChannels {
		return ErrTooManyChannels
	}
	return nil
}
