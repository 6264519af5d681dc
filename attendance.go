package boreas

import "encoding/json"

// attendance records which users are on a channel, and the sessions of each user. Except for members,
// the duration of its methods does not depend on the number of users and sessions. Guarded by
// presence.mu.
type attendance struct {
	users   map[string]*attendee
	places  map[string]*place // by the session's ID
	change  uint64            // counts the changes of the result of members
	room    *channelRoom      // counts the cost; may be nil
	others  int               // number of places of other nodes
	idBytes int               // total length of the IDs of all sessions
}

// attendee is a user on the channel.
type attendee struct {
	name     string
	info     json.RawMessage // its bytes are immutable
	verified bool            // info comes from a token

	oldest, newest *place // all of the user's places
	away, lastAway *place // the places of lost sessions, in the order of the losses
}

// cost returns the memory cost of the user without the sessions, in bytes.
func (u *attendee) cost() int64 { return int64(len(u.name) + len(u.info)) }

// place is the presence of one session on the channel.
type place struct {
	session  string
	node     *node     // the node of the session; nil for this node
	user     *attendee // nil once the place is given up
	prev     *place    // older
	next     *place    // newer
	nextAway *place
	entered  int32 // how often the session has entered, minus how often it has left
	lost     bool
	round    uint32 // the snapshot of the node that had the session last
}

func newAttendance(room *channelRoom) attendance {
	return attendance{users: make(map[string]*attendee), places: make(map[string]*place), room: room}
}

// leaving returns the place that the session leaves as that user. It returns nil if there is no
// such place, if the session has entered again since, or if it is lost, because then its linger
// time is running.
func (a *attendance) leaving(session, user string) *place {
	pl := a.places[session]
	if pl == nil || pl.user.name != user || pl.lost {
		return nil
	}
	pl.entered--
	if pl.entered > 0 {
		return nil
	}
	return pl
}

// add gives the session of the node a place as the user, and returns it.
func (a *attendance) add(n *node, session string, u *attendee) *place {
	a.change++
	pl := &place{session: session, node: n, user: u, prev: u.newest, entered: 1}
	if n != nil {
		pl.round = n.round.Load()
		a.others++
	}
	a.places[session] = pl
	a.idBytes += len(session)
	a.room.add(memberCost)
	if u.newest == nil {
		u.oldest = pl
		a.users[u.name] = u
		a.room.add(u.cost())
	} else {
		u.newest.next = pl
	}
	u.newest = pl
	return pl
}

// remove gives up the place. It reports whether it was the user's last place.
func (a *attendance) remove(pl *place) (last bool) {
	a.change++
	if pl.node != nil {
		a.others--
	}
	u := pl.user
	u.found(pl)
	if pl.prev == nil {
		u.oldest = pl.next
	} else {
		pl.prev.next = pl.next
	}
	if pl.next == nil {
		u.newest = pl.prev
	} else {
		pl.next.prev = pl.prev
	}
	pl.user, pl.prev, pl.next = nil, nil, nil
	delete(a.places, pl.session)
	a.idBytes -= len(pl.session)
	a.room.add(-memberCost)
	if u.oldest != nil {
		return false
	}
	delete(a.users, u.name)
	a.room.add(-u.cost())
	return true
}

// lose records that the place's session is lost.
func (a *attendance) lose(pl *place) {
	u := pl.user
	pl.lost = true
	if u.lastAway == nil {
		u.away = pl
	} else {
		u.lastAway.nextAway = pl
	}
	u.lastAway = pl
}

// found removes the place from the user's lost ones, if it is lost. The place is usually the first
// of them; otherwise found searches the list.
func (u *attendee) found(pl *place) {
	if !pl.lost {
		return
	}
	var before *place
	for other := u.away; other != pl; other = other.nextAway {
		before = other
	}
	if before == nil {
		u.away = pl.nextAway
	} else {
		before.nextAway = pl.nextAway
	}
	if u.lastAway == pl {
		u.lastAway = before
	}
	pl.nextAway = nil
}

// renew gives a lost session that was found again a new place, at the position of its old one. The
// old place is given up: presence.away still has it, but nothing happens when its linger time is over.
func (a *attendance) renew(lost *place) {
	u := lost.user
	u.found(lost)
	pl := &place{session: lost.session, node: lost.node, user: u, prev: lost.prev, next: lost.next, entered: 1, round: lost.node.round.Load()}
	a.places[pl.session] = pl
	if pl.prev == nil {
		u.oldest = pl
	} else {
		pl.prev.next = pl
	}
	if pl.next == nil {
		u.newest = pl
	} else {
		pl.next.prev = pl
	}
	lost.user, lost.prev, lost.next = nil, nil, nil
}

// members returns the users, in any order.
func (a *attendance) members() []Member {
	all := make([]Member, 0, len(a.users))
	for _, u := range a.users {
		m := Member{User: u.name, Info: u.info, Verified: u.verified}
		for pl := u.oldest; pl != nil && len(m.Sessions) < MaxMemberSessions; pl = pl.next {
			m.Sessions = append(m.Sessions, pl.session)
		}
		all = append(all, m)
	}
	return all
}
