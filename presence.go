package boreas

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// countInterval is the minimum time between two events of a counted channel: a channel whose events
// have only the numbers of users and sessions.
const countInterval = time.Second

// presenceOptions are the options of a channel's presence.
type presenceOptions struct {
	mode     PresenceMode  // PresenceFull or PresenceCount
	maxUsers int           // with more users, presence only counts them; 0 means DefaultPresenceUsers
	linger   time.Duration // how long a lost session still counts; 0 means not at all
	room     *channelRoom  // counts the cost of the present users; may be nil

	// outbox receives the changes of this node's own sessions, in order; nil if there are no other
	// nodes. It is called with presence.mu held: it must not wait, and must not call the presence.
	outbox func(PresenceChange)
	tail   *tail.Log // receives them too; may be nil

	// idle is called without a lock when the last place may be given up; may be nil.
	idle func(*presence)
}

// presence records which users are on a channel, and sends events to the sessions that watch it. The
// events form a log: the field events is a separate channel without an engine, and the watchers are
// its subscriptions. So a slow watcher delays no other session. It receives one event with the whole
// state in place of the events that it missed.
//
// The lock mu comes after the engine's lock and before channel.mu. So the methods may be called with
// Session.mu held, except linger and close, because they call release.
type presence struct {
	// Immutable.
	options presenceOptions
	events  *channel

	channels int // number of channels that use it; guarded by channelShard.mu

	mu       sync.Mutex // guards the fields below
	who      attendance
	seq      uint64 // offset of the newest event
	counting bool   // events have only the numbers of users and sessions
	telling  bool   // countLate will send the numbers of a counted channel
	closed   bool
	retired  bool // no channel uses it, and none will

	latest       *engine.Publication // the last result of stateEvent, for which who.change was latestChange
	latestChange uint64

	told      time.Time   // when the last event with numbers was sent
	countLate *time.Timer // nil until first needed

	away     []lostPlace // in the order in which their linger times end
	awayOver *time.Timer // nil until first needed; runs while away is not empty
}

func newPresence(q *queue, name string, o presenceOptions) *presence {
	if o.maxUsers == 0 {
		o.maxUsers = DefaultPresenceUsers
	}
	p := &presence{
		options:  o,
		events:   newChannel(name, q),
		who:      newAttendance(o.room),
		counting: o.mode == PresenceCount,
	}
	p.events.feed = p
	return p
}

// enter records that a session has joined the channel as the user, or has become that user
// there. The caller of enter calls leave or linger later. If several goroutines do this for one
// session, the leave of one may come after the enter of another. The info is nil or one JSON text of
// at most MaxInfo bytes.
func (p *presence) enter(session, user string, info []byte) { p.enterWith(session, user, info, "") }

// enterWith is like enter, for a user whose token has the given info, or "".
func (p *presence) enterWith(session, user string, info []byte, verified string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.verifyOwn(user, verified)
	switch pl := p.who.places[session]; {
	case pl == nil:
	case pl.user.name == user:
		pl.entered++
		return
	case pl.lost:
		return
	default:
		p.remove(pl)
	}
	p.add(nil, session, user, info, verified)
}

// add gives a session of the node a place as the user, and takes one from the user's lost sessions.
// A nil node is this one. The caller holds mu.
func (p *presence) add(n *node, session, user string, info []byte, verified string) {
	u := p.who.users[user]
	known := u != nil
	if !known {
		u = &attendee{name: user}
		switch {
		case p.options.mode != PresenceFull:
		case verified != "":
			u.info, u.verified = json.RawMessage(verified), true
		default:
			u.info = cleanInfo(info)
		}
	}
	p.note(p.who.add(n, session, u), PresenceEnter)
	switch {
	case !known:
		p.changed(PresenceEvent{Event: "join", User: user, Info: u.info, Verified: u.verified})
	case u.away != nil:
		p.remove(u.away) // the user is back
	}
}

// reverify records that a user has presented a token with the given info, or "".
func (p *presence) reverify(user, verified string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.verifyOwn(user, verified)
}

// verifyOwn is verify for a token that was presented to this node. The caller holds mu.
func (p *presence) verifyOwn(user, verified string) {
	if p.verify(user, verified) {
		p.noteInfo(p.who.users[user])
	}
}

// verify replaces the info of a present user with the token's info if they differ, and reports
// whether they did. A token without info changes nothing. The caller holds mu.
func (p *presence) verify(user, verified string) bool {
	u := p.who.users[user]
	if verified == "" || u == nil || p.options.mode != PresenceFull || u.verified && string(u.info) == verified {
		return false
	}
	p.who.room.add(-u.cost())
	u.info, u.verified = json.RawMessage(verified), true
	p.who.room.add(u.cost())
	p.who.change++
	p.changed(PresenceEvent{Event: "join", User: user, Info: u.info, Verified: true})
	return true
}

// leave records that a session has left the channel for good.
func (p *presence) leave(session, user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pl := p.who.leaving(session, user); pl != nil {
		p.remove(pl)
	}
}

// watch adds a subscription of events, and returns the state before the subscription's first event.
func (p *presence) watch(sub *subscription) PresenceState {
	p.mu.Lock()
	p.events.add(sub, nil, atHead)
	state := p.stateNow()
	p.mu.Unlock()
	state.sort()
	return state
}

// rewatch moves the cursor of a subscription of events to the newest event, and returns the state
// after that event. The caller holds the subscription's Session.mu.
func (p *presence) rewatch(sub *subscription) PresenceState {
	p.mu.Lock()
	sub.cursor.Store(p.events.head.Load())
	state := p.stateNow()
	p.mu.Unlock()
	state.sort()
	return state
}

// stateEvent returns an event with the whole state, which replaces all events so far. A caller that
// writes it to a watcher moves the watcher's cursor to the event's offset. All callers get the same
// event until the state changes: a thousand blocked watchers share one megabyte, instead of holding a
// megabyte each.
func (p *presence) stateEvent() *engine.Publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	head := p.events.head.Load()
	if p.latest == nil || p.latest.Offset != head || p.latestChange != p.who.change {
		e := PresenceEvent{Event: "state", PresenceState: p.stateNow()}
		e.sort()
		p.latest, p.latestChange = &engine.Publication{Offset: head, Data: e.encode()}, p.who.change
	}
	return p.latest
}

// state returns the current state, with its members in order.
func (p *presence) state() PresenceState {
	p.mu.Lock()
	state := p.stateNow()
	p.mu.Unlock()
	state.sort()
	return state
}

// stateNow returns the current state, with its members in any order. The caller holds mu.
func (p *presence) stateNow() PresenceState {
	state := p.numbers()
	if !p.counting {
		state.Members = p.who.members()
	}
	return state
}

// bytes returns an upper bound of the state's size as JSON, in bytes.
func (p *presence) bytes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	const numbers, member, session = 100, 80, 5
	if p.counting {
		return numbers
	}
	n := numbers + session*len(p.who.places) + p.who.idBytes
	for name, u := range p.who.users {
		n += member + 6*len(name) + len(u.info) // a character may be escaped as six
	}
	return n
}

// numbers returns the state without members. The caller holds mu.
func (p *presence) numbers() PresenceState {
	return PresenceState{Users: len(p.who.users), Sessions: len(p.who.places)}
}

// remove gives up a place. The caller holds mu.
func (p *presence) remove(pl *place) {
	p.note(pl, PresenceLeave)
	user := pl.user.name
	if p.who.remove(pl) {
		p.changed(PresenceEvent{Event: "leave", User: user})
	}
}

// changed announces a change of the users: with the event, or with the numbers if the channel is
// counted. The caller holds mu.
func (p *presence) changed(e PresenceEvent) {
	if len(p.who.users) > p.options.maxUsers {
		p.counting = true
	}
	if p.counting {
		p.tellSoon()
		return
	}
	e.PresenceState = p.numbers()
	p.tell(e)
}

// tellSoon announces the numbers now, or when countInterval has passed since the last time. The
// caller holds mu.
func (p *presence) tellSoon() {
	if p.telling {
		return // countLate announces the numbers as they are when it fires
	}
	wait := time.Until(p.told.Add(countInterval))
	if wait <= 0 || p.closed {
		p.tellNumbers()
		return
	}
	p.telling = true
	if p.countLate == nil {
		p.countLate = time.AfterFunc(wait, p.tellLate)
	} else {
		p.countLate.Reset(wait)
	}
}

func (p *presence) tellLate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.telling = false
	if !p.closed {
		p.tellNumbers()
	}
}

// tellNumbers announces the numbers of users and sessions, or the whole state if the users are few
// enough to be named again. The limit for this is lower than maxUsers, and countInterval applies.
// Otherwise a channel near maxUsers would send its whole state again and again. The caller holds mu.
func (p *presence) tellNumbers() {
	e := PresenceEvent{Event: "count"}
	if p.options.mode == PresenceFull && len(p.who.users) <= p.options.maxUsers*9/10 {
		p.counting = false
		e.Event = "state"
	}
	if !p.watched() {
		return // told is unchanged, so the next change is announced immediately
	}
	p.told = time.Now()
	e.PresenceState = p.stateNow()
	e.sort()
	p.tell(e)
}

// tell appends an event to the log. The caller holds mu.
func (p *presence) tell(e PresenceEvent) {
	if !p.watched() {
		return // no session can begin to watch while mu is held
	}
	p.seq++
	p.latest = nil
	_, wall := clock.Both()
	p.events.Deliver(&engine.Publication{Offset: p.seq, Time: wall, Data: e.encode()})
}

// watched reports whether the channel has watchers.
func (p *presence) watched() bool {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	return len(p.events.groups) > 0
}
