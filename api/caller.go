package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// A need is the authorization that a route requires of its caller.
type need struct {
	// key is the required verb of an API key. Without it and anyKey the route is open to everybody.
	key auth.KeyVerb

	// view means that the verb view of a key is enough.
	view bool

	// anyKey means that the route needs a valid key, whatever its verbs are.
	anyKey bool

	// token is the verb that a subscriber's token must allow on the channel. 0 means that the route
	// does not accept such tokens.
	token access.Verb

	// each means that the body names many channels, and the handler checks each of them.
	each bool

	// within means that the handler limits its answer to the channels of the key.
	within bool

	// anyOrigin means that another check protects the route from web pages of other origins.
	anyOrigin bool
}

// open reports whether the route is open to everybody.
func (n need) open() bool { return n.key == 0 && !n.anyKey }

// verb returns the verb that a key needs.
func (n need) verb(k *auth.Key) auth.KeyVerb {
	if n.view && k.Verbs&auth.KeyView != 0 {
		return auth.KeyView
	}
	return n.key
}

// or returns the need that also accepts a subscriber's token that allows the verb.
func (n need) or(verb access.Verb) need {
	n.token = verb
	return n
}

// forEach returns the need for a route whose body names the channels.
func (n need) forEach() need {
	n.each = true
	return n
}

// inside returns the need for a route whose answer has only the channels of the key.
func (n need) inside() need {
	n.within = true
	return n
}

// A call is a request with its route and its caller. If it has neither key nor grant, the API is
// open to it.
type call struct {
	route *route
	name  string // the channel, token or session in the path; "" if there is none
	key   *auth.Key
	grant *access.Grant

	position string // the second name in the path; "" if there is none

	client *limit.Client // limits of the key or the user; nil if there are none
}

// keyID returns the ID of the call's key, or "" if it has no key.
func (c *call) keyID() string {
	if c.key == nil {
		return ""
	}
	return c.key.ID
}

// seesPayloads reports whether the caller may see data of clients: messages, and the info of users
// who are present. A key whose only verb for a route is view may not.
func (c *call) seesPayloads() bool {
	return c.key == nil || c.key.Verbs&(auth.KeySessions|auth.KeyAdmin) != 0
}

// authorize identifies the caller and checks its permission. No other code does this, except
// authorizeAgain and the check of a batch's channels.
func (s *service) authorize(r *http.Request, c *call) error {
	if !c.route.need.anyOrigin && s.origin.Check(r) != nil {
		return errOrigin
	}
	if c.route.need.open() {
		return nil
	}
	if err := s.identify(r, c); err != nil {
		return err
	}
	switch limits := s.options.Limits; {
	case c.key != nil:
		c.client = limits.Key(c.key.ID)
	case c.grant != nil && c.grant.HasUser:
		c.client = limits.User(c.grant.User)
	}
	if err := c.client.HTTP(r, s.options.MaxBody); err != nil {
		return err
	}
	if err := s.allowed(c); err != nil || c.route.need.each {
		return err
	}
	return c.publishes()
}

// authorizeAgain returns an error if the caller is no longer allowed: the key or token was
// revoked, has expired or has other permissions now, or the first key was created while the API
// was open. Nothing counts twice against a limit.
func (s *service) authorizeAgain(r *http.Request, c *call) error {
	if c.route.need.open() {
		return nil
	}
	if err := s.still(r, c); err != nil {
		return err
	}
	return s.allowed(c)
}

// still returns an error if the key or token of a call is no longer valid. A token with changed
// rules is still valid, and the call gets its new grant.
func (s *service) still(r *http.Request, c *call) error {
	switch {
	case c.key != nil:
		return s.options.Authority.ValidKey(c.key.ID)
	case c.grant == nil:
		if !s.open() {
			return fault.InvalidKey
		}
		return nil
	case !c.grant.Expires.IsZero() && !time.Now().Before(c.grant.Expires):
		return fault.TokenExpired
	}
	err := s.options.Authority.Valid(c.grant)
	if !errors.Is(err, boreas.ErrRulesChanged) {
		return err
	}
	token, err := bearer(r.Header["Authorization"], false)
	if err != nil {
		return err
	}
	g, err := s.options.Authority.Check(access.Credentials{Token: token, Address: credential.AddressOf(r), Header: r.Header})
	if err != nil {
		return err
	}
	c.grant = g
	return nil
}

// A deniedError refuses a caller after the handler has begun.
type deniedError struct{ reason error }

func (e *deniedError) Error() string { return e.reason.Error() }
func (e *deniedError) Unwrap() error { return e.reason }

// publishes counts one message against the limits, if the call publishes.
func (c *call) publishes() error {
	if c.route.need.key != auth.KeyPublish {
		return nil
	}
	return c.client.Publish(1)
}

// identify identifies the caller by its credential.
func (s *service) identify(r *http.Request, c *call) error {
	open := s.open()
	text, err := bearer(r.Header["Authorization"], open)
	if err != nil {
		return err
	}
	if text == "" {
		if open {
			return s.checkLocal(r)
		}
		return fault.InvalidKey
	}
	client := credential.AddressOf(r)
	if auth.IsKey(text) {
		c.key, err = s.options.Authority.CheckKey(text)
	} else {
		c.grant, err = s.options.Authority.Check(access.Credentials{
			Token: text, Address: client, Header: r.Header,
			Costs: func(wait func(func())) (leave func(), err error) { return s.options.Limits.Check(client, wait) },
		})
	}
	if f := fault.Of(err); f == fault.InvalidKey || f == fault.InvalidToken {
		if wait := s.options.Limits.Failed(client); wait != nil {
			return wait
		}
	}
	return err
}

// open reports whether the API needs no key, as in Boreas 1.0.
func (s *service) open() bool {
	return (s.options.Loopback || s.options.Insecure) && !s.options.Authority.HasKeys()
}

// bearer returns the credential in the header Authorization. Two such headers are an error, because
// a proxy may have checked the other one. The name of the scheme is not case-sensitive (RFC 9110,
// section 11.1), and blanks follow it. An open API ignores other schemes, because a proxy in front
// of it may have required a password.
func bearer(values []string, open bool) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", fault.InvalidKey.With(fmt.Sprintf("The header Authorization is present %d times.", len(values)))
	}
	scheme, credential, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		if open {
			return "", nil
		}
		return "", errBearer
	}
	credential = strings.TrimLeft(credential, " ")
	if credential == "" || strings.ContainsAny(credential, " \t") {
		return "", errBearer
	}
	return credential, nil
}

var errBearer = fault.InvalidKey.With("The header Authorization must be `Bearer`, a space, and a key or token.")

// allowed returns an error if the caller may not make the call.
func (s *service) allowed(c *call) error {
	need, onChannel := c.route.need, c.route.onChannel
	switch {
	case c.key != nil:
		channel := ""
		if onChannel {
			channel = c.name
		}
		if err := c.key.May(need.verb(c.key), channel); err != nil {
			return err
		}
		return withinChannels(c)
	case c.grant == nil:
		return nil
	case need.token == 0:
		return errTokenHere
	case need.each:
		return nil
	default:
		return s.grantAllows(c.grant, need.token, c.name)
	}
}

// withinChannels restricts a key that has channel patterns. The key may not manage tokens or keys,
// because their rules could reach beyond its patterns, and because anybody who can read a classic
// token can do anything. It may not call routes about all channels, which would reveal other
// channels. It may read counters, which name no channel, and what it may do itself.
func withinChannels(c *call) error {
	need := c.route.need
	switch {
	case len(c.key.Channels) == 0 || need.key == auth.KeyStats || need.anyKey:
		return nil
	case need.key == auth.KeyTokens, need.key == auth.KeyAdmin && !c.route.onChannel:
		return fault.NotPermitted.With("The key is limited to channels, so it cannot make, list or revoke tokens and keys.")
	case !c.route.onChannel && !need.each && !need.within:
		return fault.NotPermitted.With("The key is limited to channels, and " + c.route.pattern + " is not about one channel.")
	default:
		return nil
	}
}

// allowedOn is like authorizeAgain, for one of the channels in the body of a call.
func (s *service) allowedOn(r *http.Request, c *call, channel string) error {
	err := s.still(r, c)
	switch {
	case err != nil:
	case c.key != nil:
		err = c.key.May(c.route.need.key, channel)
	case c.grant != nil:
		err = s.grantAllows(c.grant, c.route.need.token, channel)
	}
	if err != nil {
		return err
	}
	return c.publishes()
}

// grantAllows returns an error unless the grant allows the verb on the channel. A subscriber's
// permissions over HTTP are the same as over a connection.
func (s *service) grantAllows(g *access.Grant, verb access.Verb, channel string) error {
	if verb == access.VerbPublish {
		return s.hub.MayPublish(g, channel)
	}
	return g.May(verb, channel)
}

var errTokenHere = fault.NotPermitted.With("With a subscriber's token you can only publish and read history and presence. This request needs an API key.")

// isRefusal reports whether an error concerns the caller and not the request.
func isRefusal(err error) bool {
	switch fault.Of(err).Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest, http.StatusTooManyRequests:
		return true
	}
	return errors.Is(err, fault.AuthUnavailable)
}

// address returns the address of the request's client, without the port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
