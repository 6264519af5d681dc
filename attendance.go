package boreas

import "encoding/json"

// attendance records which users are on a channel, and the sessions of each user. Except members, its
// methods take the same time for any number of users and sessions.
type attendance struct {
	users  map[string]*attendee
	places map[string]*place // by the session's name
	change uint64            // counts the changes of the result of members
	room   *channelRoom
}

// attendee is a user who is on the channel.
type attendee struct {
	name string
	info json.RawMessage // its bytes are immutable

	verified bool // info comes from a token

	oldest, newest *place // all of the user's places
	away, lastAway *place // the places of lost sessions, in the order of the losses
}

// cost returns the memory cost of the user without the sessions, in bytes.
func (u *attendee) cost() int64 { return int64(len(u.name) + len(u.info)) }

// place is the presence of one session on the channel.
type place struct {
	session  string
	user     *attendee // nil once the place is given up
	prev     *place    // older
	next     *place    // newer
	nextAway *place
	entered  int32 // how often the session has entered, minus how often it has left
	lost     bool
}

func newAttendance(room *channelRoom) attendance {
	return attendance{users: make(map[string]*attendee), places: make(map[string]*place), room: room}
}

// leaving returns the place that the session leaves as that user. It returns nil if there is no such
// place, if the session has entered again since, or if it is lost and its linger time runs already.
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

// add gives the session a place as the user.
func (a *attendance) add(session string, u *attendee) {
	a.change++
	pl := &place{session: session, user: u, prev: u.newest, entered: 1}
	a.places[session] = pl
	a.room.add(memberCost)
	if u.newest == nil {
		u.oldest = pl
		a.users[u.name] = u
		a.room.add(u.cost())
	} else {
		u.newest.next = pl
	}
	u.newest = pl
}

// remove gives up the place. It reports whether it was the user's last place.
func (a *attendance) remove(pl *place) (last bool) {
	a.change++
	u := pl.user
	if pl.lost {
		// It is the user's first lost place, both when its time is over and when the user is back.
		u.away = pl.nextAway
		if u.away == nil {
			u.lastAway = nil
		}
	}
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
	pl.user, pl.prev, pl.next, pl.nextAway = nil, nil, nil, nil
	delete(a.places, pl.session)
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
