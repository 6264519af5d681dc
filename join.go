package boreas

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A Join names a channel and the position at which a session starts on it.
type Join struct {
	Channel string

	// Since is a position. If every later publication is still kept, the session starts there. The
	// zero Position means that the client did not send one.
	Since engine.Position

	// Last is the number of newest publications that the session receives first, if Since is not
	// set or cannot be recovered. It counts as 0 if Since is set and the grant does not allow
	// [access.VerbHistory].
	Last int

	// Watch requests the channel's presence events.
	Watch bool

	// Info is shown to clients that watch: nil or one JSON text of at most [MaxInfo] bytes.
	Info json.RawMessage

	// If Err is set by the caller, it becomes the result, and the channel is not joined.
	Err error
}

// A Joined is the result of one Join.
type Joined struct {
	// Err is the reason why the channel was not joined; all other fields are zero in that case.
	// Errors: [access.ErrChannelName], those of [access.Grant.May], [ErrTooManyChannels],
	// [ErrTooManyUserChannels], [ErrTooManyAddressChannels], [ErrTooManyJoinedChannels],
	// [ErrTooManySubscribers], [ErrAlreadyJoined], [ErrNoPresence], [ErrInfoTooLarge],
	// [ErrTooManyMembers], [ErrEngineBusy], [ErrEngineTimeout], [engine.ErrClosed] if the session
	// has ended, and those of the engine.
	Err error

	// Position is the position at which the session starts.
	Position engine.Position

	// Recovered reports that Position is Join.Since, and that every later publication follows. If
	// it is false and Since was set, Gap says which publications are missing, and Oldest is the
	// oldest position after which the log is complete.
	Recovered bool
	Gap       Gap
	Oldest    engine.Position

	// Presence is the state before the first presence event; nil unless Watch was set.
	Presence *PresenceState
}

// Join subscribes the session to channels. Ctx bounds the calls of the engine. The results are in
// the order of the joins; a failure of one does not affect the others. A session that joins a
// channel again stays at its position.
//
// If answer is not nil, it appends the answer to the client to dst. The answer is written before
// any publication of these channels. Join calls answer once, unless the session has ended. Answer
// must not call the session.
func (s *Session) Join(ctx context.Context, joins []Join, answer func(dst []byte, results []Joined) []byte) []Joined {
	results := make([]Joined, len(joins))
	entries := make([]entry, len(joins))
	defer func() {
		for i := range entries {
			if ch := entries[i].ch; ch != nil { // the session has not entered
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
		// Without holding mu, because the engine may be slow.
		entries[i], results[i] = s.prepare(ctx, &joins[i])
		if err := results[i].Err; errors.Is(err, ErrEngineTimeout) || err != nil && ctx.Err() != nil {
			late = err
		}
	}
	s.mu.Lock()
	told := map[string]bool{} // one snapshot per channel: it may be large, while a request can name the channel many times
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
		if r.Err == nil && r.Gap.Reason != "" {
			s.gaps++
			s.tellGap(j.Channel, r.Gap)
		}
	}
	s.answer(entries, func(dst []byte) []byte {
		if answer == nil {
			return dst
		}
		return answer(dst, results)
	})
	return results
}

// maxSnapshots limits the members in the snapshots of one join, to about a megabyte. Once they have
// that many members, the join gets no further snapshots.
const maxSnapshots = 5000

// entry is a join in preparation: the channel, to which it holds a reference, and the position at
// which the session starts.
type entry struct {
	ch   *channel
	life *life                 // life of the log to which at belongs
	at   uint64                // offset at which the session starts
	pubs []*engine.Publication // the first publications after at, as far as they have been read
	head engine.Position       // the log's head, if the log has nothing after pubs
	sub  *subscription         // set once the session has entered; then ch is nil
	last bool                  // at is the position at which Last starts
}

// answer appends the answer of a join to the session's own bytes, and writes them together with the
// next publications. The caller holds mu; answer unlocks it.
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
	o := s.writeRead(entries)
	for _, e := range entries {
		if e.sub != nil && e.caughtUp() {
			e.sub.pass(e.head) // otherwise another Read would have to find that there is nothing
		}
	}
	if o == flushDone && s.upToDate() {
		s.mu.Unlock()
		return
	}
	s.flushNow()
}

// upToDate reports whether a session whose own bytes have been written has nothing else to be
// written. The caller holds mu.
func (s *Session) upToDate() bool {
	sub, _ := s.behind()
	return sub == nil && len(s.out) == 0 && s.cut == nil && s.hub.queue.resets.Load() == 0
}

// caughtUp reports whether the session has been written everything that prepare found in the log.
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

// writeRead writes the answer and the publications that prepare has read, in one write. So a
// promise to recover is mostly kept at once, before the log can move on. Later writes deliver the
// rest. The outcome is flushIdle if it has written nothing. The caller holds mu.
func (s *Session) writeRead(entries []entry) outcome {
	if s.catchingUp {
		return flushIdle
	}
	b, t := getBatch(), tally{}
	defer putBatch(b)
	f := s.batchFormat()
	b.begin(s, f)
	for _, e := range entries {
		if e.sub != nil && !s.hub.stretches.add(b, f, e.life, e.sub, e.pubs) {
			break
		}
	}
	if len(b.marks) == 0 {
		return flushIdle
	}
	o, _ := s.write(b, &t, nil)
	if o == flushBlocked {
		s.startCatchingUp()
	} // the next write notices a lost connection
	t.addTo(&s.hub.stats)
	return o
}

// prepare does the part of a join that must not hold mu.
func (s *Session) prepare(ctx context.Context, j *Join) (entry, Joined) {
	if err := s.mayPrepare(j); err != nil {
		return entry{}, Joined{Err: err}
	}
	ch, err := s.hub.acquire(ctx, j.Channel)
	if err != nil {
		return entry{}, Joined{Err: err}
	}
	if j.Watch && ch.presence == nil { // the rule has changed, and the channel is still in use
		return entry{ch: ch}, Joined{Err: ErrNoPresence}
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
		e.at = h.Head.Offset // not where the head is later: publications until then are new to the session
		if len(h.Publications) > 0 {
			// The position just before the first of them. No publication needs to have this offset,
			// because offsets only increase.
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

// readInLife reads the log for a join. If the engine has started another epoch that the hub does
// not know yet, readInLife waits for the engine's Reset, because no subscription can have a
// position of the new epoch before that. Error: [ErrEngineTimeout] if there is no Reset.
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
		return ErrNoPresence // after the check of the grant, so that only clients with the permission learn it
	}
	if s.find(j.Channel) != nil {
		return nil
	}
	return s.mayJoin()
}

// gapReason returns the reason of the gap that an error of the engine's Read stands for, if any.
func gapReason(err error) (reason GapReason, lost bool) {
	switch {
	case errors.Is(err, engine.ErrPurged):
		return GapPurged, true
	case errors.Is(err, engine.ErrExpired):
		return GapExpired, true
	case errors.Is(err, engine.ErrUnknownEpoch):
		return GapUnknownEpoch, true
	case errors.Is(err, engine.ErrAhead):
		return GapAhead, true
	}
	return "", false
}

// enter does the rest of a join. If the session enters, enter takes over the entry's reference. The
// caller holds mu.
func (s *Session) enter(j *Join, e *entry, r *Joined) {
	if r.Err = s.allows(j); r.Err != nil { // the grant may have changed since prepare
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
	if r.Err = s.mayJoin(); r.Err != nil { // the number of channels may have changed, too
		return
	}
	if r.Err = s.hub.registry.addChannels(s, 1); r.Err != nil {
		return
	}
	sub := newSubscription(s, e.ch)
	// Before the channel has the subscription, so that a sweeper that visits the session finds it
	// there.
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

// watch subscribes the session to a channel's presence events, if the join requests them. The
// caller holds mu.
func (s *Session) watch(j *Join, ch *channel, r *Joined) {
	if !j.Watch || ch.presence == nil || s.notices() == nil {
		return
	}
	var state PresenceState
	if sub := s.findFeed(j.Channel); sub != nil {
		state = ch.presence.rewatch(sub) // the state includes the events that are on their way
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

// mayRead returns an error if the grant does not allow reading the history that Last requests.
func (s *Session) mayRead(j *Join) error {
	return s.Grant().May(access.VerbHistory, j.Channel)
}

func (s *Session) mayJoin() error {
	if int(s.joined) >= s.hub.options.MaxChannels {
		return ErrTooManyChannels
	}
	return nil
}
