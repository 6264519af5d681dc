package boreas

import (
	"net/netip"
	"slices"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/internal/peer"
)

// users counts the limited resources of users with a name of their own (access.Grant.HasUser).
// Guarded by registry.mu, except for the limits, which are immutable.
type users struct {
	maxSessions, maxChannels int // 0 means unlimited
	byName                   map[string]userCount
}

// userCount is the number of a user's sessions, and of the channels that they have joined.
type userCount struct{ sessions, channels int32 }

// counts reports whether limits apply to the grant's user.
func (u *users) counts(g *access.Grant) bool {
	return g != nil && g.HasUser && (u.maxSessions > 0 || u.maxChannels > 0)
}

// move stops counting a session for the grant from, and counts it for the grant to, together with
// the number of channels that it has joined. Each grant may be nil. If move returns an error,
// nothing has changed.
func (u *users) move(from, to *access.Grant, channels int) error {
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

// leave stops counting a session of the grant with the number of channels that it has joined.
func (u *users) leave(g *access.Grant, channels int) {
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

// addChannels counts n channels that the session has joined, or has left if n is negative. If it
// returns [ErrTooManyUserChannels] or [ErrTooManyAddressChannels], nothing has changed. The caller
// holds s.mu.
func (r *registry) addChannels(s *Session, n int) error {
	ofUser, ofAddress := r.users.counts(s.grant), r.addresses.maxChannels > 0 && r.addresses.counts(s.address)
	if n == 0 || !ofUser && !ofAddress { // which limits apply never changes
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var c userCount
	if ofUser {
		c = r.users.byName[s.grant.User]
		if c.channels += int32(n); n > 0 && r.users.maxChannels > 0 && int(c.channels) > r.users.maxChannels {
			return ErrTooManyUserChannels
		}
	}
	if ofAddress {
		if err := r.addresses.addChannels(s.address, n); err != nil {
			return err
		}
	}
	if ofUser {
		r.users.set(s.grant.User, c)
	}
	return nil
}

// addresses counts the limited resources of the clients of each address. Guarded by registry.mu,
// except for the limits and the exempt addresses, which are immutable.
type addresses struct {
	maxSessions, maxChannels int // 0 means unlimited
	exempt                   []netip.Prefix
	byAddress                map[netip.Addr]addressCount
}

// addressCount is the number of sessions from an address, and of the channels that they have
// joined.
type addressCount struct{ sessions, channels int32 }

// counts reports whether limits apply to the address.
func (a *addresses) counts(address netip.Addr) bool {
	if a.maxSessions == 0 && a.maxChannels == 0 || !address.IsValid() {
		return false
	}
	address = address.Unmap().WithZone("") // netip.Prefix.Contains never matches an address with a zone
	return !slices.ContainsFunc(a.exempt, func(p netip.Prefix) bool { return p.Contains(address) })
}

// addSession counts one more session of the address. Error: [ErrTooManyAddressSessions].
func (a *addresses) addSession(address netip.Addr) error {
	if !a.counts(address) { // an exempt address may be in a limited network
		return nil
	}
	address = peer.Network(address).Addr()
	n := a.byAddress[address]
	if a.maxSessions > 0 && int(n.sessions) >= a.maxSessions {
		return ErrTooManyAddressSessions
	}
	n.sessions++
	a.set(address, n)
	return nil
}

func (a *addresses) removeSession(address netip.Addr) {
	if a.counts(address) {
		address = peer.Network(address).Addr()
		n := a.byAddress[address]
		n.sessions--
		a.set(address, n)
	}
}

// addChannels counts n more channels of the address; n may be negative. Error:
// [ErrTooManyAddressChannels].
func (a *addresses) addChannels(address netip.Addr, n int) error {
	address = peer.Network(address).Addr()
	c := a.byAddress[address]
	if c.channels += int32(n); n > 0 && int(c.channels) > a.maxChannels {
		return ErrTooManyAddressChannels
	}
	a.set(address, c)
	return nil
}

func (a *addresses) set(address netip.Addr, n addressCount) {
	if n == (addressCount{}) {
		delete(a.byAddress, address)
		return
	}
	if a.byAddress == nil {
		a.byAddress = make(map[netip.Addr]addressCount)
	}
	a.byAddress[address] = n
}
