package limit

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/peer"
)

// Bounds are the limits of one client. A 0 means no limit.
type Bounds struct {
	Accepts   int   // connections per second; for addresses only
	Requests  int   // per second
	Publishes int   // messages per second
	Bytes     int64 // per second
	Failures  int   // failed authentications per minute before the client has to wait; for addresses only
}

// ofClient reports whether a Client is needed: whether any of its limits is set.
func (b *Bounds) ofClient() bool { return b.Requests > 0 || b.Publishes > 0 || b.Bytes > 0 }

// Options configure Limits. The zero value limits nothing.
type Options struct {
	Address, User, Key Bounds

	// Exempt are the networks whose addresses have no limits.
	Exempt []netip.Prefix

	// Refused, if not nil, is called with refusals to log, at most once per second for each limit.
	// It runs in the goroutine of the refused request, so it must return quickly.
	Refused func(Refusal)
}

// A Refusal summarizes the refusals of one limit since the previous Refusal of that limit.
type Refusal struct {
	Count
	Option string // the name of the option that sets the limit
	Client string // the client refused last: an address or network, a user's name, or a key's ID
}

// Limits holds the clients and their limits. Its methods are safe for concurrent use. A nil *Limits
// limits nothing.
type Limits struct {
	options   Options // without the bounds; immutable
	bounded   atomic.Pointer[[scopes]Bounds]
	start     time.Time
	addresses *table[netip.Prefix, Client]
	users     *table[string, Client]
	keys      *table[string, Client]
	failures  *table[netip.Prefix, failures]
	meters    [scopes][kinds]Meter
}

// New returns Limits with the given options.
func New(o Options) *Limits { return newLimits(o, maxClients) }

// newLimits returns Limits whose tables remember at most size clients each.
func newLimits(o Options, size int) *Limits {
	l := &Limits{
		options:   o,
		start:     time.Now(),
		addresses: newTable[netip.Prefix, Client](size),
		users:     newTable[string, Client](size),
		keys:      newTable[string, Client](size),
		failures:  newTable[netip.Prefix, failures](size),
	}
	l.SetBounds(o.Address, o.User, o.Key)
	return l
}

// SetBounds replaces the limits. Clients keep what they have used, but no debts: those are times, and
// with a limit that was far too low they are days. A session that began without any limit of its
// address, user or key stays without that limit.
func (l *Limits) SetBounds(address, user, key Bounds) {
	next := [scopes]Bounds{scopeAddress: address, scopeUser: user, scopeKey: key}
	if old := l.bounded.Swap(&next); old == nil || *old == next {
		return
	}
	now := l.now()
	l.addresses.each(func(c *Client) { c.forgive(now) })
	l.users.each(func(c *Client) { c.forgive(now) })
	l.keys.each(func(c *Client) { c.forgive(now) })
}

// Address returns the client with the address. It returns nil if the address has no limits, because
// none is set, the address is exempt, or it is not valid (unknown).
func (l *Limits) Address(address netip.Addr) *Client {
	if l == nil || !l.bounds(scopeAddress).ofClient() {
		return nil
	}
	network, bounded := l.Network(address)
	if !bounded {
		return nil
	}
	return l.address(network)
}

// User returns the client for a user whose name a backend has confirmed. It returns nil if users
// have no limits.
func (l *Limits) User(name string) *Client {
	if l == nil || !l.bounds(scopeUser).ofClient() {
		return nil
	}
	return l.client(l.users, scopeUser, name)
}

// Key returns the client for the API key with the ID. It returns nil if keys have no limits.
func (l *Limits) Key(id string) *Client {
	if l == nil || !l.bounds(scopeKey).ofClient() {
		return nil
	}
	return l.client(l.keys, scopeKey, id)
}

// Accept counts a connection from the address. Embedded means that a browser makes it for a page
// of another site, for example for an image. Such connections count separately, so that a page
// cannot use up its visitor's connections. The error is a [fault.RateLimited].
func (l *Limits) Accept(address netip.Addr, embedded bool) error {
	if l == nil || l.bounds(scopeAddress).Accepts == 0 {
		return nil
	}
	network, bounded := l.Network(address)
	if !bounded {
		return nil
	}
	c := l.address(network)
	bucket := &c.accepts
	if embedded {
		bucket = &c.embedded
	}
	if wait := bucket.take(pace{int64(l.bounds(scopeAddress).Accepts)}, 1, l.now()); wait > 0 {
		return l.refuse(scopeAddress, accepts, c.name(), wait)
	}
	return nil
}

// Network returns the network with which the address counts. It returns false if the address has no
// limits, because it is exempt or not valid.
func (l *Limits) Network(address netip.Addr) (netip.Prefix, bool) {
	if l == nil {
		return netip.Prefix{}, false
	}
	network := peer.Network(address)
	if !network.IsValid() || slices.ContainsFunc(l.options.Exempt, func(p netip.Prefix) bool { return p.Contains(address.Unmap().WithZone("")) }) {
		return netip.Prefix{}, false
	}
	return network, true
}

func (l *Limits) now() int64 { return int64(time.Since(l.start)) }
