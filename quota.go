package boreas

import (
	"net/netip"
	"slices"
)

// users count what the users have that are bounded: those that a backend has named.
// Guarded by the registry's lock.
type users struct {
	maxSessions, maxChannels int // 0 is no bound
	byName                   map[string]userCount
}

// userCount is how many sessions a user has, and how many channels they have joined.
type userCount struct{ sessions, channels int32 }

// counts tells whether the grant's user is bounded.
func (u *users) counts(g *Grant) bool {
	return g != nil && g.Named && (u.maxSessions > 0 || u.maxChannels > 0)
}

// move counts a session with so many channels that goes from one grant to another, of
// which each may be nil.
func (u *users) move(from, to *Grant, channels int) error {
	if u.counts(from) && u.counts(to) && from.User == to.User {
		return nil
	}
	if u.counts(to) {
		n := u.byName[to.User]
		if u.maxSessions > 0 && int(n.sessions) >= u.maxSessions {
			return ErrTooManyUserSessions
		}
		if u.maxChannels > 0 && int(n.channels)+channels > u.maxChannels {
			return ErrTooManyUserChannels
		}
		u.set(to.User, userCount{n.sessions + 1, n.channels + int32(channels)})
	}
	u.leave(from, channels)
	return nil
}

// leave counts a session with so many channels that is the grant's no longer.
func (u *users) leave(g *Grant, channels int) {
	if u.counts(g) {
		n := u.byName[g.User]
		u.set(g.User, userCount{n.sessions - 1, n.channels - int32(channels)})
	}
}

func (u *users) set(name string, n userCount) {
	if n == (userCount{}) {
		delete(u.byName, name)
		return
	}
	if u.byName == nil {
		u.byName = make(map[string]userCount)
	}
	u.byName[name] = n
}

// addChannels counts channels that a session of the grant joins, or leaves if n is
// negative. Error: [ErrTooManyUserChannels].
func (r *registry) addChannels(g *Grant, n int) error {
	if !r.users.counts(g) || n == 0 { // the bounds never change
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.users.byName[g.User]
	if n > 0 && r.users.maxChannels > 0 && int(c.channels)+n > r.users.maxChannels {
		return ErrTooManyUserChannels
	}
	c.channels += int32(n)
	r.users.set(g.User, c)
	return nil
}

// addresses count the sessions from each address. Guarded by the registry's lock.
type addresses struct {
	max       int // 0 is no bound
	exempt    []netip.Prefix
	byAddress map[netip.Addr]int
}

// one returns what counts as one: an IPv4 address, or the /64 of IPv6 that one subscriber
// of a provider has, by its first address.
func one(address netip.Addr) netip.Addr {
	if address = address.Unmap(); address.Is4() {
		return address
	}
	network, _ := address.Prefix(64) // cannot fail
	return network.Addr()
}

// counts tells whether the address is bounded.
func (a *addresses) counts(address netip.Addr) bool {
	if a.max == 0 || !address.IsValid() {
		return false
	}
	address = address.Unmap().WithZone("") // no network has a zone
	return !slices.ContainsFunc(a.exempt, func(p netip.Prefix) bool { return p.Contains(address) })
}

// add counts one more session. Error: [ErrTooManyAddressSessions].
func (a *addresses) add(address netip.Addr) error {
	if !a.counts(address) {
		return nil
	}
	address = one(address)
	if a.byAddress[address] >= a.max {
		return ErrTooManyAddressSessions
	}
	if a.byAddress == nil {
		a.byAddress = make(map[netip.Addr]int)
	}
	a.byAddress[address]++
	return nil
}

func (a *addresses) remove(address netip.Addr) {
	if !a.counts(address) { // its neighbours may
		return
	}
	address = one(address)
	switch n := a.byAddress[address]; {
	case n > 1:
		a.byAddress[address] = n - 1
	case n == 1:
		delete(a.byAddress, address)
	}
}
