package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/internal/fault"
)

const (
	// MaxJWT is the greatest length of a JSON Web Token, in bytes.
	MaxJWT = 8 << 10

	defaultLeeway = 30 * time.Second
	maxLeeway     = 5 * time.Minute
)

// JWTOptions are the settings of a [JWT].
type JWTOptions struct {
	// Keys say where the keys are that verify tokens: hs256:FILE, hs384:FILE and
	// hs512:FILE with a secret, file:PATH with public keys (PEM, or a JWKS), or the URL
	// of a JWKS. All of them are trusted alike.
	Keys []string

	// Issuer and Audience are what a token's iss and aud have to be; "" if any will do.
	Issuer, Audience string

	// Leeway is how much the clock of who makes tokens may be ahead of ours, at most
	// 5 minutes; 0 means 30 seconds. The end of a token counts as it is.
	Leeway time.Duration

	// UserClaim and RulesClaim are the names of claims, by default sub and boreas. A dot
	// leads into an object, unless there is a claim of just that name.
	UserClaim, RulesClaim string

	// InfoClaim is the name of the claim with the presence info of the user; by default
	// info.
	InfoClaim string

	// DefaultRules are the rules, a JSON list, of tokens without the claim; "" means
	// that such tokens are refused.
	DefaultRules string

	// Client fetches the URLs; nil means one of its own. Where redirects may lead is
	// not its business.
	Client *http.Client

	// Log gets what happens to the keys. Nil means nothing.
	Log *slog.Logger
}

// JWT checks JSON Web Tokens (RFC 7519) that are signed (RFC 7515). What the header of a
// token says is never trusted further than to choose among the keys that there are, and
// each of them is for the algorithms of its kind alone (RFC 8725, 3.1). Its methods may be
// called by many goroutines at once. Get one from [NewJWT].
type JWT struct {
	options JWTOptions
	fixed   []*jwtKey
	remotes []*remoteKeys
	rules   *rulesCache
	without *access.Permissions // for tokens without the claim; nil means to refuse them
	waiting chan struct{}       // a place for each check that waits for keys
}

// NewJWT returns a JWT that begins to fetch the keys that have a URL. The error says which
// source of keys is bad, and why.
func NewJWT(o JWTOptions) (*JWT, error) {
	if o.UserClaim == "" {
		o.UserClaim = "sub"
	}
	if o.RulesClaim == "" {
		o.RulesClaim = "boreas"
	}
	if o.InfoClaim == "" {
		o.InfoClaim = "info"
	}
	if o.Leeway == 0 {
		o.Leeway = defaultLeeway
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Leeway < 0 || o.Leeway > maxLeeway {
		return nil, fmt.Errorf("the leeway of JWTs is %v: want 0 to %v", o.Leeway, maxLeeway)
	}
	j := &JWT{options: o, rules: newRulesCache(), waiting: make(chan struct{}, maxWaiting)}
	var err error
	if j.without, err = ParseDefaultRules(o.DefaultRules); err != nil {
		return nil, err
	}
	if len(o.Keys) == 0 {
		return nil, errors.New("there are no keys that verify JWTs: name hs256:FILE, file:PATH or the URL of a JWKS")
	}
	for _, source := range o.Keys {
		if err := j.addSource(source); err != nil {
			return nil, err
		}
	}
	for _, r := range j.remotes { // not before all is well
		r.start()
	}
	return j, nil
}

// addSource adds the keys of one source. Errors name it, without what may be secret in it.
func (j *JWT) addSource(source string) error {
	if strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://") {
		r, err := newRemoteKeys(source, j.options.Client, j.options.Log)
		if err != nil {
			return err
		}
		j.remotes = append(j.remotes, r)
		return nil
	}
	keys, err := readKeys(source)
	if err != nil {
		return err
	}
	j.fixed = append(j.fixed, keys...)
	if len(j.fixed) > maxKeys {
		return fmt.Errorf("there are more than %d keys that verify JWTs", maxKeys)
	}
	return nil
}

// Close ends the fetching of keys.
func (j *JWT) Close() {
	for _, r := range j.remotes {
		r.close()
	}
}

// Ready returns nil, or which URL has not given keys yet. One that gave some once and is
// out of reach now goes on with those.
func (j *JWT) Ready() error {
	for _, r := range j.remotes {
		if err := r.ready(); err != nil {
			return err
		}
	}
	return nil
}

// Looks tells whether the token has the form of a JWT. It verifies nothing.
func (j *JWT) Looks(token string) bool {
	// All headers begin with {" and so with eyJ: we take none with a blank between.
	if !strings.HasPrefix(token, "eyJ") {
		return false
	}
	dots := 0
	for i := range len(token) {
		switch c := token[i]; {
		case c == '.':
			dots++
		case !isBase64URL(c):
			return false
		}
	}
	return dots == 2
}

// Check returns what the token of the credentials gives. Errors are faults:
// fault.InvalidToken and fault.TokenExpired, that say which check failed, and
// fault.AuthUnavailable if the keys cannot be had. It waits for the network only if the
// token names a key that is not known yet.
func (j *JWT) Check(c access.Credentials) (*access.Grant, error) {
	t, err := splitJWT(c.Token)
	if err != nil {
		return nil, err
	}
	leave, err := costly(c)
	if err != nil {
		return nil, err
	}
	defer leave()
	key, elsewhere, err := j.verify(t)
	if elsewhere {
		fetched, busy := j.fetch(c)
		switch {
		case busy != nil:
			return nil, busy
		case fetched:
			key, _, err = j.verify(t)
		}
	}
	if err != nil {
		return nil, err
	}
	claims, err := parseClaims(t.payload)
	if err != nil {
		return nil, err
	}
	return j.grant(t, key, claims, time.Now())
}

// badJWT returns the fault of a token that is not taken; the text is a sentence. It
// repeats nothing of the token but what is known to be short and harmless.
func badJWT(format string, args ...any) error {
	return fault.InvalidToken.With(fmt.Sprintf(format, args...))
}

// fetch has the keys fetched that have a URL, unless they were lately. The error is a
// fault.
func (j *JWT) fetch(c access.Credentials) (fetched bool, err error) {
	var under []<-chan struct{}
	for _, r := range j.remotes {
		if done := r.ask(); done != nil {
			under = append(under, done)
		}
	}
	if len(under) == 0 {
		return false, nil
	}
	select {
	case j.waiting <- struct{}{}:
		defer func() { <-j.waiting }()
	default:
		return false, fault.AuthUnavailable.With("Too many tokens are waiting for the server to fetch keys.")
	}
	slowly(c, func() {
		for _, done := range under {
			<-done // soon: each fetch is bounded in time
		}
	})
	return true, nil
}

// costly starts a check that needs more than a look-up.
func costly(c access.Credentials) (leave func(), err error) {
	if c.Costs == nil {
		return func() {}, nil
	}
	return c.Costs(func(run func()) { slowly(c, run) })
}

// slowly runs what has to wait for another machine.
func slowly(c access.Credentials, run func()) {
	if c.Slow != nil {
		c.Slow(run)
		return
	}
	run()
}

// ParseDefaultRules reads [JWTOptions].DefaultRules; nil means that there are none. The error contains the fault and its
// place.
func ParseDefaultRules(text string) (*access.Permissions, error) {
	if text == "" {
		return nil, nil
	}
	rules, err := ParseRules([]byte(text))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the default rules of JWTs: %w", err)
	case rules == nil:
		return nil, errors.New(`the default rules of JWTs are null: to allow everything, say [{"channels":["**"],"allow":["join","publish","history","presence"]}]`)
	}
	return rules, nil
}
