package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// Options are the settings of an [Authority]. With the zero value it keeps everything in memory,
// and accepts only tokens of its own.
type Options struct {
	// DataDir is the directory that keeps tokens, keys and revocations across restarts. "" keeps
	// them in memory only, unless there is a Store.
	DataDir string

	// Store keeps tokens, keys and revocations in place of a DataDir, and can share them with other
	// authorities. [Authority.Close] closes it.
	Store Store

	// KeepText keeps the text of classic tokens in memory, for [Authority.All]. Otherwise only the
	// hash is kept. The DataDir or Store only ever contains hashes.
	KeepText bool

	// JWT checks JSON Web Tokens. Nil means that no JWT is valid. [Authority.Close] closes it.
	JWT *JWT

	// Backend is asked about tokens that are neither known nor JSON Web Tokens. Nil means that they
	// are not valid. [Authority.Close] closes it.
	Backend *Backend

	// AdminKey is the text of an API key with the verb admin, which the authority accepts beside the
	// keys that it keeps, and does not store. "" means that there is none. See [CheckAdminKey].
	AdminKey string

	// MaxTokens, MaxKeys and MaxRevocations limit how many are kept. 0 means the default.
	MaxTokens, MaxKeys, MaxRevocations int

	// Log receives events that concern no single request. Nil discards them.
	Log *slog.Logger
}

// Defaults of [Options].
const (
	DefaultMaxTokens      = 1_000_000
	DefaultMaxKeys        = 1000
	DefaultMaxRevocations = 1_000_000
)

// An Authority checks the tokens of clients and the keys for the API. It creates, keeps and revokes
// them. Its methods may be called by many goroutines at once. Create one with [Open].
//
// A change is stored before it becomes visible. A revocation that cannot be stored is in force
// anyway, and the Authority repeats storing it. Methods that only read never wait for the store.
type Authority struct {
	// Immutable after Open.
	options Options
	unknown error      // for an unknown token
	store   Store      // nil if nothing is kept
	fence   Fence      // the store, if it is one; otherwise nil
	admin   *storedKey // Options.AdminKey; nil if there is none

	stop      context.CancelFunc // ends follow, compactions and reads for unread
	following sync.WaitGroup     // of these
	unread    unread

	// updating is held while changes of others are applied to sessions; it is locked before writing.
	updating sync.Mutex
	affected affected // guarded by updating

	// writing is held during a change; it is locked before mu. It guards the calls of the store, and
	// the fields up to mu.
	writing  sync.Mutex
	at       uint64 // position in the store of the last line that was applied
	closed   bool
	unstored map[unstoredKey]unstored // revocations that could not be stored
	again    *time.Timer              // of the next attempt to store them; nil if none is planned
	foreign  foreign                  // changes of other authorities that sessions do not reflect yet
	compacts bool                     // a compaction is under way

	unstoredCount atomic.Int64          // len(unstored)
	failed        atomic.Pointer[error] // why the store's lines cannot be applied any more

	// mu guards state and sessions. A goroutine that holds writing may read the state without mu.
	mu       sync.RWMutex
	state    *state
	sessions Sessions // nil before Attach

	newest atomic.Int64 // the latest time of issue of all JWTs that were accepted, in Unix nanoseconds
}

// Open returns an Authority with the tokens, keys and revocations of its directory or store. Errors:
// the AdminKey has not the form of one; the directory cannot be used, another process uses it, or its file is damaged; or the store cannot
// be read. After an error the JWT, the Backend and the Store of the options are still open.
func Open(o Options) (*Authority, error) {
	o.MaxTokens = orDefault(o.MaxTokens, DefaultMaxTokens)
	o.MaxKeys = orDefault(o.MaxKeys, DefaultMaxKeys)
	o.MaxRevocations = orDefault(o.MaxRevocations, DefaultMaxRevocations)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DataDir != "" && o.Store != nil {
		return nil, errors.New("there are both a directory and a store for tokens, keys and revocations")
	}
	admin, err := newAdminKey(o.AdminKey)
	if err != nil {
		return nil, err
	}
	o.AdminKey = "" // its hash is enough
	a := &Authority{options: o, unknown: unknownToken(o), state: newState(), admin: admin}
	if o.Backend != nil {
		o.Backend.serial = a.serial
	}
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	if err := a.openStore(ctx); err != nil {
		stop()
		return nil, err
	}
	if a.store != nil {
		a.following.Go(func() { a.follow(ctx) })
	}
	if o.Store != nil {
		a.unread.wanted, a.unread.ended = make(chan struct{}, 1), ctx.Done()
		a.following.Go(func() { a.unread.run(ctx, a.readOnce) })
	}
	return a, nil
}

func orDefault(n, standard int) int {
	if n == 0 {
		return standard
	}
	return n
}

// unknownToken returns the fault for an unknown token. Its message says which tokens the server
// accepts, so that the client's author finds the mistake.
func unknownToken(o Options) error {
	accepted := "its own tokens"
	switch {
	case o.JWT != nil && o.Backend != nil:
		accepted += ", JSON Web Tokens, and tokens that its backend accepts"
	case o.JWT != nil:
		accepted += " and JSON Web Tokens"
	case o.Backend != nil:
		accepted += " and tokens that its backend accepts"
	}
	return fault.InvalidToken.With("The token is not valid, or is no longer valid. The server accepts only " + accepted + ".")
}

// Close closes the JWT, the Backend and the store. All acknowledged changes are stored already.
func (a *Authority) Close() error {
	a.stop()
	a.following.Wait()
	a.writing.Lock()
	defer a.writing.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	if a.options.JWT != nil {
		a.options.JWT.Close()
	}
	if a.options.Backend != nil {
		a.options.Backend.Close()
	}
	if a.store == nil {
		return nil
	}
	lost := a.storeLast()
	used := a.saveUse()
	return errors.Join(lost, used, a.store.Close())
}

// Ready returns nil, or what the authority cannot reach now: the keys for JWTs, the backend, or the
// store.
func (a *Authority) Ready() error {
	var errs []error
	if a.options.JWT != nil {
		errs = append(errs, a.options.JWT.Ready())
	}
	if a.options.Backend != nil {
		errs = append(errs, a.options.Backend.Ready())
	}
	if a.store != nil {
		errs = append(errs, a.store.Ready())
	}
	if err := a.failed.Load(); err != nil {
		errs = append(errs, *err)
	}
	return errors.Join(append(errs, a.unstoredReady())...)
}

// Kept describes the data that an Authority stores.
type Kept struct {
	Dir string // the absolute path of DataDir; "" if there is none
	New bool   // [Open] has created the file in Dir

	Tokens, Keys, Revocations int // without revoked keys; 0 if nothing is stored
}

// Kept describes the data that the authority stores.
func (a *Authority) Kept() Kept {
	var k Kept
	if a.store == nil {
		return k
	}
	if j, ok := a.store.(*journal); ok {
		k.Dir, k.New = j.dir, j.made
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	k.Tokens, k.Revocations = len(a.state.byHash)-a.state.provided, a.state.revocations.len()
	for _, key := range a.state.keyIDs {
		if !key.revoked {
			k.Keys++
		}
	}
	return k
}

// Check returns the grant of the token in the credentials. Errors: [fault.InvalidToken],
// [fault.TokenExpired], [fault.TokenRevoked]; [fault.AuthUnavailable] if the JWT or the Backend cannot
// decide now, or if the store is a [Fence] that is cut off, or does not answer and the token is unknown.
func (a *Authority) Check(c access.Credentials) (*access.Grant, error) {
	if err := a.fenced(); err != nil {
		return nil, err
	}
	hash := digestOf(c.Token)
	own := func() (*access.Grant, error) {
		a.mu.RLock()
		defer a.mu.RUnlock()
		return a.own(hash, c.Token)
	}
	g, err := own()
	if g == nil && err == nil && mayBeOurs(c.Token) {
		if err := a.readOthers(); err != nil {
			return nil, err
		}
		g, err = own()
	}
	if g != nil || err != nil {
		return g, err
	}
	switch {
	case oursAlone(c.Token):
		return nil, a.unknown
	case a.options.JWT != nil && a.options.JWT.Looks(c.Token):
		g, err = a.options.JWT.Check(c)
	case a.options.Backend != nil:
		g, err = a.options.Backend.Check(c)
	default:
		return nil, a.unknown
	}
	if err != nil {
		return nil, err
	}
	if g.Kind == "jwt" {
		a.noteIssued(g.Issued)
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.state.revocations.match(g, a.leeway()) {
		return nil, fault.TokenRevoked
	}
	return g, nil
}

// noteIssued records the time of issue of a JWT that was accepted.
func (a *Authority) noteIssued(at time.Time) {
	if at.IsZero() {
		return
	}
	issued := at.UnixNano()
	for {
		newest := a.newest.Load()
		if issued <= newest || a.newest.CompareAndSwap(newest, issued) {
			return
		}
	}
}

// serial returns the serial number of the newest token or revocation.
func (a *Authority) serial() uint64 {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.state.serial
}

// own returns the grant of a token that the authority keeps. Both results are nil if it does not
// know the token. The caller holds mu.
func (a *Authority) own(hash digest, text string) (*access.Grant, error) {
	t := a.state.byHash[hash]
	if t == nil {
		// The revocation of a provider's token deletes the token. No JWT or backend may make it
		// valid again.
		if a.state.revocations.count[targetToken] > 0 {
			if _, ok := a.state.revocations.find(targetToken, classicID(text), time.Now().UnixNano()); ok {
				return nil, fault.TokenRevoked
			}
		}
		return nil, nil
	}
	if err := a.ended(t); err != nil {
		return nil, err
	}
	if t.grant.Identity != "" {
		return t.grant, nil
	}
	g := *t.grant
	g.Identity = strings.Clone(text) // text may be a part of a request's buffer, and would keep all of it
	return &g, nil
}

// ended returns why the token is no longer valid, or nil. The caller holds mu.
func (a *Authority) ended(t *stored) error {
	if at := t.grant.Expires; !at.IsZero() && !time.Now().Before(at) {
		return fault.TokenExpired
	}
	if a.state.revocations.match(t.grant, 0) {
		return fault.TokenRevoked
	}
	return nil
}

// Valid returns nil if the grant that Check has returned is still in force. Pass it to
// [boreas.Options] as Valid. It does not wait for anything. Errors: [fault.TokenRevoked] if the
// token was deleted or revoked, and [boreas.ErrRulesChanged] if the token was changed.
func (a *Authority) Valid(g *access.Grant) error {
	if g.Kind == "none" {
		return nil
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if g.Kind == "classic" || g.Kind == "opaque" {
		t := a.state.tokens.get(g.TokenID)
		if t == nil {
			return fault.TokenRevoked
		}
		// Each client with a classic token may have a copy of its grant. Classic tokens never change.
		if t.grant != g && !t.classic() {
			return boreas.ErrRulesChanged
		}
	}
	if a.state.revocations.match(g, a.leeway()) {
		return fault.TokenRevoked
	}
	return nil
}

// keepEnded is how long an expired token is remembered, so that the server can report its expiry
// to its client.
const keepEnded = time.Hour

// apply applies lines to the state, for all to see. The caller holds writing.
func (a *Authority) apply(lines ...*line) error {
	now := clock.Steady() // setting the clock forward by mistake must not end a revocation
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range lines {
		if err := a.state.apply(l); err != nil {
			return fmt.Errorf("a change of tokens, keys or revocations failed: %w", err)
		}
	}
	a.state.sweep(now.Add(-keepEnded), now)
	return nil
}

// makeRoom returns a fault if the number of tokens or revocations has reached its maximum. The
// caller holds writing.
func (a *Authority) makeRoom(count func() int, most int, what string) error {
	if count() < most {
		return nil
	}
	now := time.Now()
	a.mu.Lock()
	a.state.sweep(now, now)
	a.mu.Unlock()
	if count() < most {
		return nil
	}
	return fault.TooManyStored.With(fmt.Sprintf("The server has reached its limit of %d %s.", count(), what))
}
