package access

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/peer"
)

// Credentials are what a client presents to authenticate: its token and its address.
type Credentials struct {
	Token   string
	Address netip.Addr // of the client; invalid if not known

	// Header has those headers of the client's request that are passed on to a backend. It is nil
	// if no backend wants any.
	Header map[string][]string

	// Slow runs a function that may wait for another machine, so that the caller can make room for
	// other clients meanwhile. If Slow is nil, the function is called directly.
	Slow func(run func())

	// Costs is called before a check that needs more than a look-up: the verification of a
	// signature, or a request to a backend. The check calls leave when it ends. Costs may wait: it
	// passes the waiting function to wait. If Costs returns an error, the check ends with that
	// error. If Costs is nil, such checks are not limited.
	Costs func(wait func(run func())) (leave func(), err error)
}

// A Grant describes the identity and the permissions of a client with a valid token. It is
// immutable and may be shared by many sessions.
type Grant struct {
	// Identity names the token in the hub: all sessions of one token have the same identity. It is
	// "" if there is no token. For classic tokens, which the API of 2013 lists, it is the token
	// itself; for all others it is TokenID.
	Identity string

	// TokenID names the token without revealing it.
	TokenID string

	// Kind is the kind of the token: "classic", "opaque", "jwt", "backend", or "none" if the server
	// requires no token.
	Kind string

	// User is the name under which other clients see the sessions. HasUser reports whether the
	// token or a backend gave that name. Otherwise the server made it up, and limits per user do
	// not apply.
	User    string
	HasUser bool

	// Issued and Expires are the start and the expiry of the token; the zero Expires means that it
	// never expires.
	Issued, Expires time.Time

	// Serial orders opaque tokens, classic tokens and answers of the backend relative to the
	// revocations of the same server. Revocations compare Serial instead of Issued, because the
	// clock may be set back. It is 0 for JWTs.
	Serial uint64

	// Key is the ID of the key that created or signed the token, "" if there is none.
	Key string

	// Info is the user's info in presence, which other clients see: one JSON text as
	// [github.com/boreas-pubsub/boreas/v2.NewInfo] returns it, or "". It replaces the info that the
	// client sends when it joins.
	Info string

	// Permissions say which verbs are allowed on which channels; nil allows everything.
	Permissions *Permissions
}

// May returns nil if the grant allows the verb on the channel now. It returns [ErrAnonymous] for a
// nil grant, [ErrTokenExpired] for an expired one, and a [*DeniedError] if the permissions do not
// allow the verb.
func (g *Grant) May(verb Verb, channel string) error {
	if g == nil {
		return ErrAnonymous
	}
	if !g.Expires.IsZero() && !time.Now().Before(g.Expires) {
		return ErrTokenExpired
	}
	if g.Permissions == nil {
		return nil
	}
	if d := g.Permissions.Decide(verb, channel); !d.Allowed {
		return &DeniedError{Verb: verb, Channel: channel, By: d.By, Why: g.Permissions.Explain(verb, d)}
	}
	return nil
}

// Publisher returns the [github.com/boreas-pubsub/boreas/v2/engine.Message] Publisher of a message
// that a client with this grant and address publishes. It is the user if HasUser is set; otherwise
// the address, where an IPv6 network counts as one address; otherwise, if the address is not valid,
// the token.
func (g *Grant) Publisher(address netip.Addr) string {
	switch {
	case g == nil:
		return "anonymous"
	case g.HasUser:
		return "user " + g.User
	case address.IsValid():
		return "address " + peer.Network(address).Addr().String()
	}
	return "token " + g.TokenID
}

// A DeniedError means that a token's rules do not allow a request. It matches [ErrNotPermitted].
type DeniedError struct {
	Verb    Verb
	Channel string
	By      int    // number of the permission that denies the request, from 1; 0 if none allows it
	Why     string // the reason in words
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("the token's rules do not allow %v on %.100q: %s", e.Verb, e.Channel, e.Why)
}

// Is makes errors.Is report that the error is an [ErrNotPermitted].
func (e *DeniedError) Is(target error) bool { return target == ErrNotPermitted }
