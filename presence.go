package boreas

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/clock"
)

// countInterval is the least time between two events of a channel that is only counted.
const countInterval = time.Second

// presenceOptions say how a channel's presence works.
type presenceOptions struct {
	mode     PresenceMode  // PresenceFull or PresenceCount
	maxUsers int           // with more of them the channel is only counted; 0 means DefaultPresenceUsers
	linger   time.Duration // how long a lost session still counts; 0 means not at all
	room     *channelRoom  // counts the cost of the present users; may be nil
}

// presence knows who is on a channel, and tells those who watch. What it tells is a
// log too: events is a channel of its own, which no engine follows, and those who watch
// are its subscriptions. So a slow one delays nobody, and what it missed is replaced by
// one event with the whole state.
//
// Its lock comes after the engine's and before channel.mu, so its methods may be
// called with Session.mu held; linger and close may not, because they call release.
type presence struct {
	options presenceOptions
	events  *channel // immutable

	mu       sync.Mutex
	who      attendance
	seq      uint64 // the offset of the newest event
	counting bool   // there are no members in what is told

	latest       *engine.Publication // what stateEvent made last, when who.change was latestChange
	latestChange uint64

	told      time.Time   // when a counted channel's watchers were last told
	telling   bool        // countLate will tell them
	countLate *time.Timer // nil until first needed

	away     []lostPlace // in the order in which their time is over
	awayOver *time.Timer // nil until first needed; runs while away is not empty
	closed   bool
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
// there. Each enter is followed by a leave or linger in the end; that of another goroutine may
// come later than the session's next enter. The info is nil or one JSON text of at most MaxInfo
// bytes.
func (p *presence) enter(session, user string, info []byte) { p.enterWith(session, user, info, "") }

// enterWith is like enter, for a user whose token has the given info, or "".
func (p *presence) enterWith(session, user string, info []byte, verified string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.verify(user, verified)
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
	if u := p.who.users[user]; u != nil {
		p.who.add(session, u)
		if u.away != nil {
			p.who.remove(u.away) // the user is back
		}
		return
	}
	u := &attendee{name: user}
	switch {
	case p.options.mode != PresenceFull:
	case verified != "":
		u.info, u.verified = json.RawMessage(verified), true
	default:
		u.info = cleanInfo(info)
	}
	p.who.add(session, u)
	p.changed(PresenceEvent{Event: "join", User: user, Info: u.info, Verified: u.verified})
}

// reverify records that a user has presented a token with the given info, or "".
func (p *presence) reverify(user, verified string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.verify(user, verified)
}

// verify replaces the info of a present user with the token's info if they differ. A token
// without info changes nothing. The caller holds mu.
func (p *presence) verify(user, verified string) {
	u := p.who.users[user]
	if verified == "" || u == nil || p.options.mode != PresenceFull || u.verified && string(u.info) == verified {
		return
	}
	p.who.room.add(-u.cost())
	u.info, u.verified = json.RawMessage(verified), true
	p.who.room.add(u.cost())
	p.who.change++
	p.changed(PresenceEvent{Event: "join", User: user, Info: u.info, Verified: true})
}

// leave notes that a session is not on the channel any more, and will not be back.
func (p *presence) leave(session, user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pl := p.who.leaving(session, user); pl != nil {
		p.remove(pl)
	}
}

// watch adds a subscription of events, and returns the state to which what it will
// get applies.
func (p *presence) watch(sub *subscription) PresenceState {
	p.mu.Lock()
	p.events.add(sub, nil, atHead)
	state := p.stateNow()
	p.mu.Unlock()
	state.sort()
	return state
}

// rewatch moves the cursor of a subscription of events to the newest one, and returns
// the state to which what it will get then applies. The caller holds its Session.mu.
func (p *presence) rewatch(sub *subscription) PresenceState {
	p.mu.Lock()
	sub.cursor.Store(p.events.head.Load())
	state := p.stateNow()
	p.mu.Unlock()
	state.sort()
	return state
}

// stateEvent returns the event that stands for all of the log so far. Who writes it to
// a watcher moves its cursor to the event's offset. All who need it at the same time
// get the same one: a thousand blocked watchers hold one megabyte, and not a thousand.
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

// state returns who is there now.
func (p *presence) state() PresenceState {
	p.mu.Lock()
	state := p.stateNow()
	p.mu.Unlock()
	state.sort()
	return state
}

// stateNow returns the state, with its members in no order. The caller holds mu.
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
	const numbers, member, session = 100, 80, 20
	if p.counting {
		return numbers
	}
	n := numbers + session*len(p.who.places)
	for name, u := range p.who.users {
		n += member + 6*len(name) + len(u.info) // a character may be escaped as six
	}
	return n
}

// numbers returns the state without members. The caller holds mu.
func (p *presence) numbers() PresenceState {
	return PresenceState{Users: len(p.who.users), Sessions: len(p.who.places)}
}

// remove gives a place up. The caller holds mu.
func (p *presence) remove(pl *place) {
	user := pl.user.name
	if p.who.remove(pl) {
		p.changed(PresenceEvent{Event: "leave", User: user})
	}
}

// changed tells that the users have changed: by the event, unless they are only
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

// tellSoon tells the numbers now, or when countInterval has passed since the last
// time. The caller holds mu.
func (p *presence) tellSoon() {
	if p.telling {
		return // and what it will tell is what is true then
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

// tellNumbers tells how many there are, or, if they are few again, who. Few is clearly
// less than many, and it happens at the pace of counts, so that a channel at the
// border does not tell everything again and again. The caller holds mu.
func (p *presence) tellNumbers() {
	e := PresenceEvent{Event: "count"}
	if p.options.mode == PresenceFull && len(p.who.users) <= p.options.maxUsers*9/10 {
		p.counting = false
		e.Event = "state"
	}
	if !p.watched() {
		return // the next one will be told at once
	}
	p.told = time.Now()
	e.PresenceState = p.stateNow()
	e.sort()
	p.tell(e)
}

// tell appends an event to the log. The caller holds mu.
func (p *presence) tell(e PresenceEvent) {
	if !p.watched() {
		return // nobody begins to watch before mu is free
	}
	p.seq++
	p.latest = nil
	_, wall := clock.Both()
	p.events.Deliver(&engine.Publication{Offset: p.seq, Time: wall, Data: e.encode()})
}

// watched tells whether anybody watches.
func (p *presence) watched() bool {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	return len(p.events.groups) > 0
}
