package access

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/boreas-pubsub/boreas/internal/peer"
)

// Credentials are what a client shows to be let in.
type Credentials struct {
	Token   string
	Address string // of the client, without a port; "" if not known

	// Header are the headers of the client's request that a backend is asked with.
	// Nil if none are wanted.
	Header map[string][]string

	// Slow runs a function that may wait for another machine, so that the caller can make room for
	// others meanwhile. Nil means to call the function directly.
	Slow func(run func())

	// Costs is called before a check that needs more than a look-up: the verification of a
	// signature, or a request to a backend. The check calls leave when it ends. Costs may wait, by
	// passing the waiting function to wait; an error ends the check. Nil means that such checks are
	// not limited.
	Costs func(wait func(run func())) (leave func(), err error)
}

// A Grant is what a token gives to who shows it. It is not changed once it is made, and
// may be shared by many sessions.
type Grant struct {
	// Identity is the name of the token among those of the sessions: the same for all
	// sessions of one token, "" for none. For the classic tokens, which the API of 2013
	// lists, it is the token itself; for all others it is TokenID.
	Identity string

	// TokenID names the token and does not give it away.
	TokenID string

	// Kind says what kind of token it is: "classic", "opaque", "jwt", "backend", or
	// "none" where none is asked for.
	Kind string

	// User is how others know the sessions. Named tells that the backend gave that
	// name, so that bounds for one user mean something.
	User  string
	HasUser bool

	// Issued and Expires are the start and the expiry of the token; the zero Expires means that it
	// never expires.
	Issued, Expires time.Time

	// Serial orders opaque tokens, classic tokens and answers of the backend with the
	// revocations of the same server. Revocations compare it instead of Issued, because the
	// clock may be set back. It is 0 for JWTs.
	Serial uint64

	// Key is the ID of the key that created or signed the token, or "".
	Key string

	// Info is the user's info in presence, which other clients see: one JSON text as [NewInfo]
	// returns it, or "". It replaces the info that the client gives when it joins.
	Info string

	// Permissions are what it allows; nil is everything.
	Permissions *Permissions
}

// May returns nil if the grant allows the verb on the channel now. Errors:
// [ErrAnonymous] of a nil grant, [ErrTokenExpired], a [*DeniedError].
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

// Publisher returns the Publisher of a message that a client with this grant and address
// publishes: the user, if a backend named it; otherwise the address, as
// [Options].MaxAddressSessions counts it; otherwise, if the address is not valid, the token.
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

// A DeniedError tells that a token's rules do not allow something. It is an
// [ErrNotPermitted].
type DeniedError struct {
	Verb    Verb
	Channel string
	By      int    // the rule that denies it, from 1; 0 if only none allows it
	Why     string // the same in words
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("the token's rules do not allow %v on %.100q: %s", e.Verb, e.Channel, e.Why)
}

// Is makes it an [ErrNotPermitted].
func (e *DeniedError) Is(target error) bool { return target == ErrNotPermitted }
