package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/internal/clock"
	"github.com/boreas-pubsub/boreas/internal/fault"
)

// Options are the settings of an [Authority]. The zero value works: nothing is kept on
// disk, and only tokens of its own are valid.
type Options struct {
	// DataDir is the directory in which tokens, keys and revocations outlive a
	// restart; "" keeps them in memory only.
	DataDir string

	// KeepText keeps the text of classic tokens in memory, for [Authority.All] to show.
	// Otherwise only its hash is kept. On disk there are never more than hashes.
	KeepText bool

	// JWT checks JSON Web Tokens; nil means that none is valid. Close closes it.
	JWT *JWT

	// Backend asks the operator's backend about tokens that nobody else knows; nil
	// means that they are not valid. Close closes it.
	Backend *Backend

	// MaxTokens, MaxKeys and MaxRevocations bound what is kept; 0 means 1,000,000
	// tokens and revocations, and 1,000 keys.
	MaxTokens, MaxKeys, MaxRevocations int

	// Log gets what happens and concerns no request. Nil means nothing.
	Log *slog.Logger
}

// Defaults of [Options].
const (
	DefaultMaxTokens      = 1_000_000
	DefaultMaxKeys        = 1000
	DefaultMaxRevocations = 1_000_000
)

// An Authority holds the tokens, the keys for the API, and the revocations, and checks
// permissions. Its methods may be called by many goroutines at once. Get one from [Open].
//
// A change is written to disk before others can see it. A revocation that cannot be written is
// still in force, and is written later. Calls that only read do not wait for the disk.
type Authority struct {
	options Options
	unknown error // what is said of a token that nobody knows

	// writing is held during a change; it comes before mu.
	writing sync.Mutex
	journal *journal // guarded by writing but for broken; nil without a directory
	closed  bool     // guarded by writing

	// Revocations that could not be stored; guarded by writing, except the count.
	unstored      map[unstoredKey]unstored
	unstoredCount atomic.Int64
	again         *time.Timer // of the next attempt; nil if none is planned

	// mu guards the state. A goroutine that holds writing may read without it.
	mu    sync.RWMutex
	state *state

	newest atomic.Int64 // the latest time of issue of all JWTs that were accepted, in Unix nanoseconds
}

// Open returns an authority with what is in its directory. Errors: the directory cannot be
// used, another process uses it, or its file is damaged.
func Open(o Options) (*Authority, error) {
	o.MaxTokens = orDefault(o.MaxTokens, DefaultMaxTokens)
	o.MaxKeys = orDefault(o.MaxKeys, DefaultMaxKeys)
	o.MaxRevocations = orDefault(o.MaxRevocations, DefaultMaxRevocations)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Authority{options: o, unknown: unknownToken(o), state: newState()}
	if o.Backend != nil {
		o.Backend.serial = a.serial
	}
	if o.DataDir == "" {
		return a, nil
	}
	var err error
	if a.journal, err = openJournal(o.DataDir, o.Log, a.state); err != nil {
		return nil, err
	}
	a.journal.compact(a.state)
	return a, nil
}

func orDefault(n, standard int) int {
	if n == 0 {
		return standard
	}
	return n
}

// unknownToken says which tokens there are, so that who shows another finds out why it is
// not taken.
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

// Close ends it, with JWT and Backend. What it was told is on disk already.
func (a *Authority) Close() error {
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
	if a.journal == nil {
		return nil
	}
	lost := a.storeLast()
	used := a.saveUse()
	a.journal.seal(a.state)
	return errors.Join(lost, used, a.journal.close())
}

// Ready returns nil, or what is out of reach for now.
func (a *Authority) Ready() error {
	var errs []error
	if a.options.JWT != nil {
		errs = append(errs, a.options.JWT.Ready())
	}
	if a.options.Backend != nil {
		errs = append(errs, a.options.Backend.Ready())
	}
	if a.journal != nil {
		if err := a.journal.broken.Load(); err != nil {
			errs = append(errs, *err)
		}
	}
	return errors.Join(append(errs, a.unstoredReady())...)
}

// Kept describes the data that an authority has on disk.
type Kept struct {
	Dir string // absolute; "" if nothing is kept on disk
	New bool   // [Open] has created the file in it, because there was none

	Tokens, Keys, Revocations int // keys that are not revoked
}

// Kept describes the data that the authority has on disk.
func (a *Authority) Kept() Kept {
	if a.journal == nil {
		return Kept{}
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	k := Kept{Dir: a.journal.dir, New: a.journal.made, Tokens: len(a.state.byHash) - a.state.provided, Revocations: a.state.revocations.len()}
	for _, key := range a.state.keyIDs {
		if !key.revoked {
			k.Keys++
		}
	}
	return k
}

// Check returns what the token of the credentials gives. Its errors are faults.
func (a *Authority) Check(c access.Credentials) (*access.Grant, error) {
	hash := digestOf(c.Token)
	a.mu.RLock()
	g, err := a.own(hash, c.Token)
	a.mu.RUnlock()
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

// own returns what a token of ours gives; nothing if it is none. The caller holds mu.
func (a *Authority) own(hash digest, text string) (*access.Grant, error) {
	t := a.state.byHash[hash]
	if t == nil {
		// A provider's token that was revoked is forgotten but for that. It is not
		// for anybody else to bring it back.
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
	g.Identity = strings.Clone(text) // it may be a part of a request, which would be kept, too
	return &g, nil
}

// ended returns why the token is not valid any more; nil if it is. The caller holds mu.
func (a *Authority) ended(t *stored) error {
	if at := t.grant.Expires; !at.IsZero() && !time.Now().Before(at) {
		return fault.TokenExpired
	}
	if a.state.revocations.match(t.grant, 0) {
		return fault.TokenRevoked
	}
	return nil
}

// Valid returns nil while the grant's token is neither deleted nor revoked, nor changed
// since the grant was given out. It is quick. Errors: fault.TokenRevoked, and
// [boreas.ErrRulesChanged] of a token that is as good as before.
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
		// Of classic tokens each who shows it may have a copy; they never change.
		if t.grant != g && !t.classic() {
			return boreas.ErrRulesChanged
		}
	}
	if a.state.revocations.match(g, a.leeway()) {
		return fault.TokenRevoked
	}
	return nil
}

// commit makes changes: on disk, and then for all to see. They must be such that apply
// takes them. The caller holds writing.
func (a *Authority) commit(lines ...*line) error {
	if a.closed {
		return errors.New("the store of tokens, keys and revocations is closed: the server is shutting down")
	}
	if err := a.store(lines...); err != nil {
		return err
	}
	if err := a.apply(lines...); err != nil {
		return err
	}
	if a.journal == nil {
		return nil
	}
	a.journal.compact(a.state)
	if slices.ContainsFunc(lines, func(l *line) bool { return l.Op == opKey }) {
		a.journal.seal(a.state)
	}
	return nil
}

// keepEnded is how long an expired token is remembered, so that the server can report its expiry
// to its client.
const keepEnded = time.Hour

// apply makes changes visible to others.
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

// makeRoom returns an error if there are as many tokens or revocations as may be. The
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
