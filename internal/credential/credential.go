// Package credential finds the token in a client's request and checks it. It is common to all
// transports.
package credential

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// A Checker finds a client's token in its request and checks it, within the client's limits.
// All transports use one.
type Checker struct {
	// Check returns the grant of a token. An error that is not one of package fault is internal.
	Check func(access.Credentials) (*access.Grant, error)

	// Cookie is the name of the cookie that may hold a token; "" for none.
	Cookie string

	// Headers are the names of the headers of a request that Check gets.
	Headers []string

	Limits *limit.Limits // nil means no limits
}

// Credentials returns the credentials in a request. The token is in the header Authorization, if
// bearer is true; in the parameter access_token; or in the cookie. They are tried in this order
// (clause 3.10). fromCookie reports that the token is the cookie's: browsers send cookies without
// being asked, so an invalid one says nothing about the client.
func (c *Checker) Credentials(r *http.Request, bearer bool) (found access.Credentials, fromCookie bool) {
	found = access.Credentials{Address: AddressOf(r), Header: c.pick(r.Header)}
	if bearer {
		found.Token = Bearer(r.Header)
	}
	if found.Token == "" {
		found.Token = accessToken(r)
	}
	if found.Token == "" && c.Cookie != "" && !Embedded(r) {
		if cookie, err := r.Cookie(c.Cookie); err == nil && cookie.Value != "" {
			found.Token, fromCookie = cookie.Value, true
		}
	}
	return found, fromCookie
}

// Embedded reports whether a browser sends the request for a page of another site without naming
// its origin: for an image, a script, a link or a form with an address of this server. The page
// cannot read the answer. But the request would count against its visitor: with a session on
// channels that the page has chosen, and with failed authentications. A page that intends to
// connect sends its origin, which the server checks.
func Embedded(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") == "" && (site == "cross-site" || site == "same-site")
}

// accessToken returns the query parameter. Most requests do not have it, so their query is not
// parsed.
func accessToken(r *http.Request) string {
	const name = "access_token"
	if !strings.Contains(r.URL.RawQuery, name) {
		return ""
	}
	return r.URL.Query().Get(name)
}

// pick returns the headers in c.Headers, or nil if the request has none of them.
func (c *Checker) pick(h http.Header) map[string][]string {
	var picked map[string][]string
	for _, name := range c.Headers {
		if values := h.Values(name); len(values) > 0 {
			if picked == nil {
				picked = make(map[string][]string)
			}
			picked[http.CanonicalHeaderKey(name)] = values
		}
	}
	return picked
}

// Grant checks the token and returns its grant. It sets the Costs of the credentials. See [IsBadToken]
// for its error.
func (c *Checker) Grant(shown access.Credentials) (*access.Grant, error) {
	if shown.Token == "" {
		return nil, fault.Unauthenticated
	}
	shown.Costs = func(wait func(func())) (leave func(), err error) { return c.Limits.Check(shown.Address, wait) }
	g, err := c.Check(shown)
	if g == nil && err == nil {
		return nil, errors.New("the function Check returned neither a grant nor an error")
	}
	if fault.Of(err) == fault.InvalidToken { // an expired token or an unreachable backend does not count
		if wait := c.Limits.Failed(shown.Address); wait != nil {
			return nil, anotherBadToken{wait}
		}
	}
	return g, err
}

// anotherBadToken is the error for an invalid token of an address that has sent too many of them.
type anotherBadToken struct{ error }

func (e anotherBadToken) Unwrap() error { return e.error }

// IsBadToken reports whether an error of [Checker.Grant], or of [boreas.Session.Authenticate] with the
// grant, is about the token, which will not become valid. Any other error says that the server cannot
// check or use the token now.
func IsBadToken(err error) bool {
	retry := fault.Of(err).Retry
	return retry == fault.NewToken || retry == fault.Never || errors.As(err, new(anotherBadToken))
}

// User returns the limits of the grant's user, or nil if there are none. Only users that a backend
// has named have limits.
func (c *Checker) User(g *access.Grant) *limit.Client {
	if !g.HasUser {
		return nil
	}
	return c.Limits.User(g.User)
}

// Request counts a request with the given numbers of entries and bytes, for the address and for the
// user, which may be nil. If it returns an error, the request must not be carried out.
func (c *Checker) Request(address netip.Addr, user *limit.Client, entries, bytes int) error {
	n := limit.Requests(entries)
	if err := c.Limits.Address(address).Request(n, bytes); err != nil {
		return err
	}
	return user.Request(n, bytes)
}

// AddressOf returns the address of the request's client. It is invalid if r.RemoteAddr has none.
func AddressOf(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap()
}

// Bearer returns the token of the header Authorization (RFC 6750, section 2.1), or "" if there is
// none. It ignores several such headers, because a proxy may have checked another one.
func Bearer(h http.Header) string {
	list := h["Authorization"]
	if len(list) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(list[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
