package boreas

import (
	"hash/maphash"
	"slices"
)

// walkedSubs is the maximum number of subscriptions of a session that are searched one by one. A
// session with more of them has a table, so that the cost of each channel in a request does not
// depend on the number of joined channels. Most sessions have few channels and need no table.
const walkedSubs = 32

// subTable finds a session's subscriptions by channel name, including those to presence events. It
// is a hash table with open addressing, at most half full, because a map would take three times the
// memory.
type subTable struct {
	slots []*subscription
	used  int
}

// tableSeed is the seed of all tables. It is random because clients choose the names of channels.
var tableSeed = maphash.MakeSeed()

func newSubTable(subs []*subscription) *subTable {
	t := new(subTable)
	for _, sub := range subs {
		t.add(sub)
	}
	return t
}

func (t *subTable) home(name string) int {
	return int(maphash.String(tableSeed, name) & uint64(len(t.slots)-1))
}

func (t *subTable) next(i int) int { return (i + 1) & (len(t.slots) - 1) }

// find returns the subscription to the channel, or to its presence events; nil if there is none.
func (t *subTable) find(name string, events bool) *subscription {
	for i := t.home(name); t.slots[i] != nil; i = t.next(i) {
		if sub := t.slots[i]; sub.is(name, events) {
			return sub
		}
	}
	return nil
}

func (t *subTable) add(sub *subscription) {
	if 2*(t.used+1) > len(t.slots) {
		old := t.slots
		t.slots, t.used = make([]*subscription, max(2*len(old), 4*walkedSubs)), 0
		for _, sub := range old {
			if sub != nil {
				t.add(sub)
			}
		}
	}
	i := t.home(sub.channel().name)
	for t.slots[i] != nil {
		i = t.next(i)
	}
	t.slots[i] = sub
	t.used++
}

// remove removes a subscription that is in the table. Later entries move up, so that find still
// reaches each of them from its home slot.
func (t *subTable) remove(sub *subscription) {
	i := t.home(sub.channel().name)
	for t.slots[i] != sub {
		i = t.next(i)
	}
	t.used--
	mask := len(t.slots) - 1
	for j := t.next(i); t.slots[j] != nil; j = t.next(j) {
		if home := t.home(t.slots[j].channel().name); (j-home)&mask >= (j-i)&mask {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = nil
}

func (sub *subscription) is(name string, events bool) bool {
	return sub.channel().name == name && (sub.channel().feed != nil) == events
}

// find returns the session's subscription to the channel, or nil if there is none. The caller of
// this function and of all functions below holds s.mu.
func (s *Session) find(channel string) *subscription { return s.findSub(channel, false) }

// findFeed returns the session's subscription to the channel's presence events, or nil.
func (s *Session) findFeed(channel string) *subscription { return s.findSub(channel, true) }

func (s *Session) findSub(channel string, events bool) *subscription {
	if s.table != nil {
		return s.table.find(channel, events)
	}
	for _, sub := range s.subs {
		if sub.is(channel, events) {
			return sub
		}
	}
	return nil
}

// addSub adds a subscription that the session does not have yet.
func (s *Session) addSub(sub *subscription) {
	s.subs = append(s.subs, sub)
	if sub.channel().feed == nil {
		s.joined++
	}
	switch {
	case s.table != nil:
		s.table.add(sub)
	case len(s.subs) > walkedSubs:
		s.table = newSubTable(s.subs)
	}
}

// removeLast removes the subscription that was added last.
func (s *Session) removeLast() {
	last := len(s.subs) - 1
	s.removed(s.subs[last])
	s.subs[last] = nil
	s.subs = s.subs[:last]
}

// removeSubs removes subscriptions that the session has, and keeps the order of the others.
func (s *Session) removeSubs(subs []*subscription) {
	gone := make(map[*subscription]bool, len(subs))
	for _, sub := range subs {
		gone[sub] = true
		s.removed(sub)
	}
	s.subs = slices.DeleteFunc(s.subs, func(sub *subscription) bool { return gone[sub] })
	switch n := len(s.subs); {
	case n <= walkedSubs/2:
		s.table = nil
	case s.table != nil && 8*n < len(s.table.slots):
		s.table = newSubTable(s.subs)
	}
}

func (s *Session) removed(sub *subscription) {
	if sub.channel().feed == nil {
		s.joined--
	}
	if s.table != nil {
		s.table.remove(sub)
	}
}

// removeAll removes all subscriptions and returns them.
func (s *Session) removeAll() []*subscription {
	all := s.subs
	s.subs, s.table, s.joined = nil, nil, 0
	return all
}
