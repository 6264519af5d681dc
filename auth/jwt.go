package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

const (
	// MaxJWT is the maximum length of a JSON Web Token, in bytes.
	MaxJWT = 8 << 10

	defaultLeeway = 30 * time.Second
	maxLeeway     = 5 * time.Minute
)

// JWTOptions are the settings of a [JWT].
type JWTOptions struct {
	// Keys are the sources of the keys that verify tokens: hs256:FILE, hs384:FILE and hs512:FILE
	// hold a secret, file:PATH holds public keys (PEM, or a JWKS), and an https URL serves a JWKS.
	// All keys are trusted equally. At least one source is required.
	Keys []string

	// Issuer and Audience are required values of the claims iss and aud. "" accepts any value.
	Issuer, Audience string

	// Leeway is how far the clock of a token's issuer may be ahead of ours, at most 5 minutes. 0
	// means 30 seconds. It does not extend a token's expiry.
	Leeway time.Duration

	// UserClaim and RulesClaim are the names of claims, by default sub and boreas. A dot leads into
	// an object, unless there is a claim of exactly that name.
	UserClaim, RulesClaim string

	// InfoClaim is the name of the claim with the user's presence info, by default info.
	InfoClaim string

	// DefaultRules are the rules of tokens without the rules claim, as a JSON list. If it is "",
	// such tokens are refused.
	DefaultRules string

	// Client fetches the URLs. Nil means a client of its own. Its policy for redirects is ignored.
	Client *http.Client

	// Log receives problems with keys. Nil discards them.
	Log *slog.Logger
}

// A JWT checks signed JSON Web Tokens (RFC 7519, RFC 7515). The header of a token only chooses
// among the configured keys, and each key verifies only the algorithms of its own kind (RFC 8725,
// 3.1). Its methods may be called by many goroutines at once. Create one with [NewJWT].
type JWT struct {
	// Immutable.
	options JWTOptions
	remotes []*remoteKeys
	rules   *rulesCache
	without *access.Permissions // of tokens without the rules claim; nil refuses them

	waiting chan struct{} // holds an element for each check that waits for keys

	fixed atomic.Pointer[[]*jwtKey] // the keys in files
}

// NewJWT returns a JWT, and starts to fetch the keys that have a URL. The error says which source
// of keys is invalid, and why.
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
		if !isRemote(source) {
			continue
		}
		r, err := newRemoteKeys(source, j.options.Client, j.options.Log)
		if err != nil {
			return nil, err
		}
		j.remotes = append(j.remotes, r)
	}
	if err := j.ReadKeys(); err != nil {
		return nil, err
	}
	for _, r := range j.remotes { // after all sources are known to be valid
		r.start()
	}
	return j, nil
}

// isRemote reports whether the keys of a source have a URL.
func isRemote(source string) bool {
	return strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://")
}

// ReadKeys reads the keys in files again. Tokens that are checked later need one of the new keys. If
// a file is not valid, the keys stay as they are. The error names the source without its secret parts.
func (j *JWT) ReadKeys() error {
	var fixed []*jwtKey
	for _, source := range j.options.Keys {
		if isRemote(source) {
			continue
		}
		keys, err := readKeys(source)
		if err != nil {
			return err
		}
		if fixed = append(fixed, keys...); len(fixed) > maxKeys {
			return fmt.Errorf("there are more than %d keys that verify JWTs", maxKeys)
		}
	}
	j.fixed.Store(&fixed)
	return nil
}

// Close stops fetching keys.
func (j *JWT) Close() {
	for _, r := range j.remotes {
		r.close()
	}
}

// Ready returns nil if keys have been fetched from all URLs, and otherwise an error that names one
// without. An issuer that became unreachable later does not count: its last keys stay in use.
func (j *JWT) Ready() error {
	for _, r := range j.remotes {
		if err := r.ready(); err != nil {
			return err
		}
	}
	return nil
}

// Looks reports whether the token has the form of a JWT. It verifies nothing.
func (j *JWT) Looks(token string) bool {
	// A header begins with {" and so its base64 with eyJ. A header with a space between the two
	// is not recognized.
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

// Check verifies the token of the credentials and returns its grant. It waits for the network only
// if the token names a key that is not known yet. Errors: [fault.InvalidToken] and [fault.TokenExpired],
// with the check that failed; [fault.AuthUnavailable] if the keys cannot be fetched.
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
	key, err := j.signer(c, t)
	if err != nil {
		return nil, err
	}
	return j.grant(t, key, time.Now())
}

// badJWT returns the fault of a token that is not accepted. The text is a sentence. It repeats
// nothing of the token that could be long or harmful.
func badJWT(format string, args ...any) error {
	return fault.InvalidToken.With(fmt.Sprintf(format, args...))
}

// fetch has the keys of all URLs fetched, except those that were fetched a short time ago, and
// waits for them. Fetched reports whether there were any. The error is a fault.
func (j *JWT) fetch(c access.Credentials) (fetched bool, err error) {
	var fetches []<-chan struct{}
	for _, r := range j.remotes {
		if done := r.ask(); done != nil {
			fetches = append(fetches, done)
		}
	}
	if len(fetches) == 0 {
		return false, nil
	}
	select {
	case j.waiting <- struct{}{}:
		defer func() { <-j.waiting }()
	default:
		return false, fault.AuthUnavailable.With("Too many tokens are waiting for the server to fetch keys.")
	}
	slowly(c, func() {
		for _, done := range fetches {
			<-done // within keysTimeout
		}
	})
	return true, nil
}
