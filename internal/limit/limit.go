package limit

import (
	"net/netip"
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/internal/peer"
)

// Bounds are what one client may do. A 0 is no bound.
type Bounds struct {
	Accepts   int   // connections a second; of addresses only
	Requests  int   // a second
	Publishes int   // messages a second
	Bytes     int64 // a second
	Failures  int   // failed authentications a minute, before there is a wait; of addresses only
}

// ofClient tells whether there is anything for a Client to bound.
func (b *Bounds) ofClient() bool { return b.Requests > 0 || b.Publishes > 0 || b.Bytes > 0 }

// Options say what clients may do. The zero value bounds nothing.
type Options struct {
	Address, User, Key Bounds

	// Exempt are the addresses that have no bounds.
	Exempt []netip.Prefix

	// Refused, if not nil, is told of refusals, to be logged: at most once a second
	// for each limit. It is called by whom was refused, and must be quick.
	Refused func(Refusal)
}

// A Refusal stands for those of a limit since the one before.
type Refusal struct {
	Count
	Option string // the server's option that is the limit
	Client string // the last one: an address or network, a user's name, a key's ID
}

// Limits bound clients. Its methods may be called by many goroutines at once. A nil
// *Limits bounds nobody.
type Limits struct {
	options   Options
	start     time.Time
	addresses *table[netip.Prefix, Client]
	users     *table[string, Client]
	keys      *table[string, Client]
	failures  *table[netip.Prefix, failures]
	meters    [scopes][kinds]Meter
}

// New returns limits.
func New(o Options) *Limits { return newLimits(o, maxClients) }

// newLimits returns limits whose tables remember so many clients each.
func newLimits(o Options, size int) *Limits {
	return &Limits{
		options:   o,
		start:     time.Now(),
		addresses: newTable[netip.Prefix, Client](size),
		users:     newTable[string, Client](size),
		keys:      newTable[string, Client](size),
		failures:  newTable[netip.Prefix, failures](size),
	}
}

// Address returns the client with the address; nil if nothing bounds it: if it is
// exempt, or not valid because nobody knows it.
func (l *Limits) Address(address netip.Addr) *Client {
	if l == nil || !l.options.Address.ofClient() {
		return nil
	}
	network, bounded := l.Network(address)
	if !bounded {
		return nil
	}
	return l.address(network)
}

// User returns the client that is the user, who must be one that a backend has named;
// nil if nothing bounds users.
func (l *Limits) User(name string) *Client {
	if l == nil || !l.options.User.ofClient() {
		return nil
	}
	return l.client(l.users, scopeUser, name)
}

// Key returns the client that has the API key with the ID; nil if nothing bounds keys.
func (l *Limits) Key(id string) *Client {
	if l == nil || !l.options.Key.ofClient() {
		return nil
	}
	return l.client(l.keys, scopeKey, id)
}

// Accept counts a connection from the address. Embedded means that a browser makes it for a page
// of another site, for example for an image. Such connections count separately, so that a page
// cannot use up its visitor's connections. The error is a [fault.RateLimited].
func (l *Limits) Accept(address netip.Addr, embedded bool) error {
	if l == nil || l.options.Address.Accepts == 0 {
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
	if wait := bucket.take(pace{int64(l.options.Address.Accepts)}, 1, l.now()); wait > 0 {
		return l.refuse(scopeAddress, accepts, c.name(), wait)
	}
	return nil
}

// Network returns what the address counts with, and whether it is bounded at all: it is
// not if it is exempt or not valid.
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
