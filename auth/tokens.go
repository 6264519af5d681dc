package auth

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/internal/fault"
)

// Tokens is the set of valid tokens. Its methods may be called by many goroutines
// at once. Get one from [NewTokens].
//
// Looking a token up goes through its SHA-256: how long a comparison takes then
// depends on the hash, which nobody can steer towards a valid token byte by byte.
// The token itself is kept too, because /debug/token-dump shows it.
type Tokens struct {
	mu    sync.RWMutex
	byKey map[key]stored
	last  uint64 // number of the newest token
}

type key [sha256.Size]byte

type stored struct {
	token  string
	number uint64 // place in the order of creation
}

// NewTokens returns an empty set.
func NewTokens() *Tokens {
	return &Tokens{byKey: make(map[key]stored)}
}

// Mint makes a new token and adds it to the set: it is valid at once. The token is
// 128 random letters and digits, a dash, and the time in Unix seconds.
// The error is always nil as long as tokens are kept in memory.
func (t *Tokens) Mint() (string, error) {
	token := newToken()
	t.add(token)
	return token, nil
}

// Add adds a token made elsewhere; one that is there already stays as it is. The
// error says what makes it unusable as a token.
func (t *Tokens) Add(token string) error {
	if err := check(token); err != nil {
		return err
	}
	t.add(token)
	return nil
}

func (t *Tokens) add(token string) {
	k := key(sha256.Sum256([]byte(token)))
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.byKey[k]; ok {
		return
	}
	t.last++
	t.byKey[k] = stored{token, t.last}
}

// Valid reports whether token is in the set.
func (t *Tokens) Valid(token string) bool {
	k := key(sha256.Sum256([]byte(token)))
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.byKey[k]
	return ok
}

// Check returns what the token gives. Others know who shows it by a name that is the
// token's own, and does not give it away. Its errors are faults.
func (t *Tokens) Check(c boreas.Credentials) (*boreas.Grant, error) {
	if !t.Valid(c.Token) {
		return nil, fault.InvalidToken
	}
	sum := sha256.Sum256([]byte(userDomain + c.Token))
	name := base64.RawURLEncoding.EncodeToString(sum[:userBytes])
	return &boreas.Grant{Identity: c.Token, TokenID: "tok_" + name, Kind: "classic", User: "u_" + name}, nil
}

// StillValid returns nil if the grant's token is still in the set.
func (t *Tokens) StillValid(g *boreas.Grant) error {
	if g.Kind != "none" && !t.Valid(g.Identity) {
		return fault.TokenRevoked
	}
	return nil
}

const (
	// userDomain keeps the hash for a user's name apart from any other hash of
	// the token.
	userDomain = "boreas user\x00"

	// userBytes is how much of it is shown: so that no two of them meet.
	userBytes = 12
)

// Delete takes token out of the set and reports whether it was there.
func (t *Tokens) Delete(token string) bool {
	k := key(sha256.Sum256([]byte(token)))
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.byKey[k]
	delete(t.byKey, k)
	return ok
}

// All returns the tokens in the order in which they were made or added.
func (t *Tokens) All() []string {
	t.mu.RLock()
	all := make([]stored, 0, len(t.byKey))
	for _, s := range t.byKey {
		all = append(all, s)
	}
	t.mu.RUnlock()
	slices.SortFunc(all, func(a, b stored) int { return cmp.Compare(a.number, b.number) })
	tokens := make([]string, len(all))
	for i, s := range all {
		tokens[i] = s.token
	}
	return tokens
}

// Len returns how many tokens are valid.
func (t *Tokens) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byKey)
}
