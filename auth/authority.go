package auth

import (
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas"
)

// Options are the settings of an [Authority]. The zero value works: nothing is kept on
// disk, and only tokens of its own are valid.
type Options struct {
	// DataDir is the directory in which tokens, keys and revocations outlive a
	// restart; "" keeps them in memory only.
	DataDir string

	// KeepText keeps the text of classic tokens, for [Authority.All] to show.
	// Otherwise only its hash is kept.
	KeepText bool

	// JWT checks JSON Web Tokens; nil means that none is valid.
	JWT *JWT

	// Backend asks the operator's backend about tokens that nobody else knows; nil
	// means that they are not valid.
	Backend *Backend

	// Log gets what happens and concerns no request. Nil means nothing.
	Log *slog.Logger
}

// An Authority knows who may do what: tokens, keys for the API, and what was revoked. Its
// methods may be called by many goroutines at once. Get one from [Open].
type Authority struct {
}

// Open returns an authority with what is in its directory.
func Open(o Options) (*Authority, error) { panic("not yet") }

// Close ends it. What it was told is on disk already.
func (a *Authority) Close() error { panic("not yet") }

// Ready returns nil, or what is out of reach for now.
func (a *Authority) Ready() error { panic("not yet") }

// Check returns what the token of the credentials gives. Its errors are faults.
func (a *Authority) Check(c boreas.Credentials) (*boreas.Grant, error) { panic("not yet") }

// Valid returns nil while the grant's token is neither deleted nor revoked. It is quick. Its
// errors are faults.
func (a *Authority) Valid(g *boreas.Grant) error { panic("not yet") }

// Mint makes a classic token, that is valid at once and allows everything.
func (a *Authority) Mint(key string) (string, error) { panic("not yet") }

// Add adds a classic token made elsewhere, until the process ends.
func (a *Authority) Add(token string) error { panic("not yet") }

// All returns the classic tokens whose text is known, oldest first.
func (a *Authority) All() []string { panic("not yet") }

// Len returns how many tokens of its own the authority knows.
func (a *Authority) Len() int { panic("not yet") }

// A Token is what is known of an opaque token; its text is not.
type Token struct {
	ID      string
	User    string
	Label   string // for people
	Created time.Time
	Expires time.Time           // zero for never
	Rules   *boreas.Permissions // nil for everything
	Key     string              // ID of the key that made it
	Classic bool                // it is one of Boreas 1.0
}

// CreateToken makes an opaque token as t says, but for its ID and Created. The text is
// not kept. Errors are faults.
func (a *Authority) CreateToken(t Token) (text string, made Token, err error) { panic("not yet") }

// Token returns the token of the ID. Error: fault.NoToken.
func (a *Authority) Token(id string) (Token, error) { panic("not yet") }

// Tokens lists at most limit tokens in the order of their IDs, those after the one given;
// of one user, if that is not "".
func (a *Authority) Tokens(user, after string, limit int) (list []Token, more bool) {
	panic("not yet")
}

// A TokenChange says what to change; nil leaves it as it is.
type TokenChange struct {
	Label   *string
	Expires *time.Time
	Rules   **boreas.Permissions
}

// UpdateToken changes a token. The grant is what its sessions have from now on: see
// [boreas.Hub.Regrant]. Errors are faults.
func (a *Authority) UpdateToken(id string, change TokenChange) (Token, *boreas.Grant, error) {
	panic("not yet")
}

// A KeyVerb is something that a key lets a backend do. Verbs are bits.
type KeyVerb uint8

// The verbs of keys.
const (
	KeyPublish  KeyVerb = 1 << iota // publish
	KeyTokens                       // make, change, delete and revoke tokens
	KeySessions                     // see and end sessions, see channels, history and presence
	KeyStats                        // counters and metrics
	KeyAdmin                        // everything, keys too
)

// String returns the names of the verbs, with commas.
func (v KeyVerb) String() string { panic("not yet") }

// ParseKeyVerb reads the name of one verb.
func ParseKeyVerb(name string) (KeyVerb, error) { panic("not yet") }

// A Key lets a backend use the API.
type Key struct {
	ID       string
	Name     string
	Verbs    KeyVerb
	Channels []string // patterns; none means all channels
	Created  time.Time
	Expires  time.Time // zero for never
	LastUsed time.Time // to the minute; zero for never
}

// May returns nil if the key allows the verb; on the channel, if that is not "". Errors
// are faults that say what the key allows.
func (k *Key) May(verb KeyVerb, channel string) error { panic("not yet") }

// CreateKey makes a key as k says, but for its ID and times. Its text is not kept. Errors
// are faults: two valid keys of the same name are the most.
func (a *Authority) CreateKey(k Key) (text string, made Key, err error) { panic("not yet") }

// Keys lists the keys, oldest first.
func (a *Authority) Keys() []Key { panic("not yet") }

// HasKeys tells whether a key was ever made: then the API demands one.
func (a *Authority) HasKeys() bool { panic("not yet") }

// CheckKey returns the key of the text, and notes that it was used. Error:
// fault.InvalidKey, which says whether it is unknown, expired or revoked.
func (a *Authority) CheckKey(text string) (*Key, error) { panic("not yet") }

// A Revocation takes tokens back. Exactly one of Token, User, Key is set, or none of them
// and IssuedBefore.
type Revocation struct {
	Token        string    // text or ID
	User         string    // all tokens of the user that were issued until IssuedBefore, by default now
	Key          string    // an API key, and all tokens that it made; or all JWTs signed with the key of that kid
	IssuedBefore time.Time // all tokens issued until then
	Until        time.Time // when it may be forgotten; zero for never
}

// Revoke takes tokens back: when it returns they are not valid any more. Match tells
// whether a grant is one of them: for [boreas.Hub.Cut]. Errors are faults, and then nothing
// was changed: fault.NoToken or fault.NoKey for an ID that is not known.
func (a *Authority) Revoke(r Revocation) (match func(*boreas.Grant) bool, err error) {
	panic("not yet")
}

// Revoked looks up whether there is a revocation of that Token, User or Key, or of all.
func (a *Authority) Revoked(r Revocation) (Revocation, bool) { panic("not yet") }

// Unrevoke takes a revocation back; false if there was none. Deleted tokens do not come back.
func (a *Authority) Unrevoke(r Revocation) (bool, error) { panic("not yet") }

// Revocations returns how many there are.
func (a *Authority) Revocations() int { panic("not yet") }
