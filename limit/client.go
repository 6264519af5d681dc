package limit

import (
	"io"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// A Client is one address, user or key, with its buckets. Its methods are safe for concurrent use.
// A nil Client has no limits: its methods do nothing.
type Client struct {
	limits  *Limits
	scope   scope
	id      string       // for a user or key
	network netip.Prefix // for an address
	gone    atomic.Bool  // the table has forgotten this Client, and may have a new one for the same key

	accepts, embedded, requests, publishes, bytes bucket
}

// client returns the client for the user or key.
func (l *Limits) client(t *table[string, Client], s scope, id string) *Client {
	return getOrAdd(t, id, func() *Client { return &Client{limits: l, scope: s, id: id} })
}

// address returns the client for the network.
func (l *Limits) address(network netip.Prefix) *Client {
	return getOrAdd(l.addresses, network, func() *Client {
		return &Client{limits: l, scope: scopeAddress, network: network}
	})
}

// entriesOfOne is how many entries of its list a request may have before it counts as two.
const entriesOfOne = 10

// Requests returns how many requests a request with the given number of list entries counts as:
// each further ten entries count as one more. A client that reconnects with 1,000 channels stays
// within all default limits, but a client cannot repeatedly fill messages with entries.
func Requests(entries int) int { return 1 + max(entries-1, 0)/entriesOfOne }

// Request counts a request of the given size in bytes: anything that a client sends that has an
// answer, or costs work. It counts as n requests; see [Requests]. The error is a
// [fault.RateLimited]; the request does not count in that case.
func (c *Client) Request(n, bytes int) error {
	if c == nil {
		return nil
	}
	c = c.current()
	b, now := c.bounds(), c.limits.now()
	paceRequests, paceBytes := pace{int64(b.Requests)}, pace{b.Bytes}
	if wait := c.requests.take(paceRequests, int64(n), now); wait > 0 {
		return c.limits.refuse(c.scope, requests, c.name(), wait)
	}
	if wait := c.bytes.take(paceBytes, int64(bytes), now); wait > 0 {
		c.requests.giveBack(paceRequests, int64(n))
		return c.limits.refuse(c.scope, bytesKind, c.name(), wait)
	}
	return nil
}

// HTTP counts a request over HTTP whose body may have at most maxBody bytes. A longer body is
// refused unread, so it does not count: a client that only announces a terabyte must not use up the
// limits of other clients at its address. A body without a Content-Length is counted while it is
// read.
func (c *Client) HTTP(r *http.Request, maxBody int64) error {
	if c == nil {
		return nil
	}
	const some = 1 // a client in debt is refused even for one byte
	switch n := r.ContentLength; {
	case n > maxBody:
		return c.Request(1, some)
	case n >= 0:
		return c.Request(1, int(n))
	}
	if err := c.Request(1, some); err != nil {
		return err
	}
	r.Body = &metered{r.Body, c}
	return nil
}

// metered is a body of unknown length. It counts the bytes while they are read.
type metered struct {
	io.ReadCloser
	client *Client
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.client.Sent(n)
	return n, err
}

// Sent counts bytes that have already arrived and that [Client.Request] did not count. Sent refuses
// nothing, but a later request may be refused because of them.
func (c *Client) Sent(bytes int) {
	if c != nil {
		c = c.current()
		c.bytes.owe(pace{c.bounds().Bytes}, int64(bytes), c.limits.now())
	}
}

// maxOwed is how much a client may owe before it is disconnected, as the time that its bucket needs
// to pay the debt.
const maxOwed = 10 * time.Second

// Spend counts work that the client causes without a request, as the given number of bytes. It
// counts them even if the client has no bytes left. The error is a [fault.RateLimited] if the
// client owes more than maxOwed and should be disconnected.
func (c *Client) Spend(bytes int) error {
	if c == nil {
		return nil
	}
	c = c.current()
	p, now := pace{c.bounds().Bytes}, c.limits.now()
	if owed := c.bytes.owed(now); owed > maxOwed {
		return c.limits.sendAway(c.scope, c.name(), owed)
	}
	c.bytes.owe(p, int64(bytes), now)
	return nil
}

// Publish counts n messages that the client wants to publish. The error is a [fault.RateLimited];
// the messages do not count in that case.
func (c *Client) Publish(n int) error {
	if c == nil {
		return nil
	}
	c = c.current()
	if wait := c.publishes.take(pace{int64(c.bounds().Publishes)}, int64(n), c.limits.now()); wait > 0 {
		return c.limits.refuse(c.scope, publishes, c.name(), wait)
	}
	return nil
}

// current returns c. If the table has forgotten c, it returns the newer Client of the same address,
// user or key.
func (c *Client) current() *Client {
	for c.gone.Load() {
		switch c.scope {
		case scopeAddress:
			c = c.limits.address(c.network)
		case scopeUser:
			c = c.limits.client(c.limits.users, c.scope, c.id)
		default:
			c = c.limits.client(c.limits.keys, c.scope, c.id)
		}
	}
	return c
}

func (c *Client) bounds() *Bounds { return c.limits.bounds(c.scope) }

// name returns the client's name in logs.
func (c *Client) name() string {
	if c.scope == scopeAddress {
		return networkName(c.network)
	}
	return c.id
}

// networkName returns the address if the network has only one, otherwise the network.
func networkName(n netip.Prefix) string {
	if n.IsSingleIP() {
		return n.Addr().String()
	}
	return n.String()
}

func (c *Client) busyUntil() int64 {
	return max(c.accepts.full.Load(), c.embedded.full.Load(), c.requests.full.Load(), c.publishes.full.Load(), c.bytes.full.Load())
}

// forgive ends the debts of the client.
func (c *Client) forgive(now int64) {
	for _, b := range []*bucket{&c.accepts, &c.embedded, &c.requests, &c.publishes, &c.bytes} {
		b.forgive(now)
	}
}

func (c *Client) forget() { c.gone.Store(true) }
