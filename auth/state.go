package auth

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// state holds the tokens, keys and revocations of an authority. Its fields are guarded by
// Authority.mu and Authority.writing: a change holds both, and a reader holds one of them.
type state struct {
	byHash      map[digest]*stored // tokens
	tokens      index              // the same tokens by ID
	serial      uint64             // of the newest token or revocation
	ends        deadlines[*stored] // expiries of tokens
	revocations revocations

	keys   map[digest]*storedKey
	keyIDs map[string]*storedKey

	names       nameKey // does not change once there are tokens
	namesShared bool    // a line contains it

	provided int // number of tokens that are not stored
	rules    *rulesCache
}

func newState() *state {
	return &state{
		byHash: make(map[digest]*stored), tokens: newIndex(),
		keys: make(map[digest]*storedKey), keyIDs: make(map[string]*storedKey),
		names: newNameKey(), rules: newRulesCache(),
	}
}

// stored is a token. It is immutable: a change replaces it.
type stored struct {
	hash     digest
	serial   uint64 // greater than those of all tokens and revocations that were made before
	label    string
	rules    *access.Permissions // as they were given
	text     string              // of a classic token, with Options.KeepText
	provided bool                // by a provider, and so not stored
	changed  []string            // IDs of the keys that set its rules or expiry, except the key that created it

	// grant is shared by all sessions with the token. For a classic token without its text it has no
	// Identity: each client then gets a copy with one.
	grant *access.Grant
}

func (t *stored) classic() bool { return t.grant.Kind == "classic" }

// token returns the token as the API shows it.
func (t *stored) token() Token {
	g := t.grant
	return Token{
		ID: g.TokenID, User: g.User, Label: t.label, Created: g.Issued, Expires: g.Expires,
		Rules: t.rules, Info: g.Info, Key: g.Key, Classic: t.classic(),
	}
}

// line returns the line that produces the token.
func (t *stored) line() *line {
	g := t.grant
	l := &line{
		Op: opToken, ID: g.TokenID, Hash: t.hash, Classic: t.classic(), Label: t.label,
		Created: g.Issued, Expires: g.Expires, Serial: t.serial, Info: json.RawMessage(g.Info), Key: g.Key, rules: t.rules, text: t.text,
	}
	l.Changed = t.changed
	if g.HasUser {
		l.User = g.User
	}
	if t.rules != nil {
		l.Rules = AppendRules(nil, t.rules)
	}
	return l
}

// putToken adds a token, or replaces the token with the same ID.
func (s *state) putToken(l *line) error {
	if !isID(tokenIDPrefix, l.ID) {
		return errors.New("a token has no valid ID")
	}
	if l.User != "" {
		if err := access.ValidUser(l.User); err != nil {
			return err
		}
	}
	if l.rules == nil && l.Rules != nil {
		var err error
		if l.rules, err = s.rules.parse(l.Rules); err != nil {
			return err
		}
	}
	t := &stored{hash: l.Hash, serial: l.Serial, label: l.Label, rules: l.rules, text: l.text, provided: l.provided, changed: l.Changed}
	same, before := s.byHash[l.Hash], s.tokens.get(l.ID)
	switch {
	case same != before:
		return errors.New("a token has the ID or the hash of another")
	case before != nil:
		t.serial = before.serial
	case t.serial == 0: // it is not stored, or an older server has written it
		t.serial = s.serial + 1
	}
	t.grant = s.grant(l)
	t.grant.Serial = t.serial
	s.serial = max(s.serial, t.serial)
	if before != nil {
		if old := before.grant; old.User == t.grant.User && old.Expires.Equal(t.grant.Expires) && before.rules == t.rules {
			t.grant = old // its sessions need no new one
		}
	}
	if l.provided && before == nil {
		s.provided++
	}
	s.byHash[t.hash] = t
	s.tokens.put(t)
	if !l.Expires.IsZero() {
		s.ends.add(nanos(l.Expires), t)
	}
	if s.ends.crowded(len(s.byHash)) {
		s.sortEnds()
	}
	return nil
}

func (s *state) sortEnds() {
	s.ends = deadlines[*stored]{}
	for _, t := range s.byHash {
		if at := t.grant.Expires; !at.IsZero() {
			s.ends.add(nanos(at), t)
		}
	}
}

// grant returns the grant of a token's line.
func (s *state) grant(l *line) *access.Grant {
	g := &access.Grant{TokenID: l.ID, Issued: l.Created, Expires: l.Expires, Info: string(l.Info), Key: l.Key}
	if l.Classic {
		g.Identity, g.Kind, g.User = l.text, "classic", s.names.of(l.ID)
		return g
	}
	g.Identity, g.Kind, g.User, g.HasUser = l.ID, "opaque", l.User, l.User != ""
	if !g.HasUser {
		g.User = s.names.of(l.ID)
	}
	g.Permissions = l.rules.For(g.User)
	return g
}

func (s *state) dropToken(t *stored) {
	delete(s.byHash, t.hash)
	s.tokens.remove(t.grant.TokenID)
	if t.provided {
		s.provided--
	}
}

// maxSweep is how many tokens and how many revocations one sweep removes, because others wait for
// the lock meanwhile.
const maxSweep = 1000

// sweep removes tokens that have expired by until, and revocations that may be forgotten now.
func (s *state) sweep(until, now time.Time) {
	s.revocations.sweep(now.UnixNano())
	for range maxSweep {
		t, ok := s.ends.take(until.UnixNano())
		if !ok {
			return
		}
		if s.byHash[t.hash] == t {
			s.dropToken(t)
		}
	}
}

// inOrder returns the tokens for which keep is true, oldest first.
func (s *state) inOrder(keep func(*stored) bool) []*stored {
	all := make([]*stored, 0, len(s.byHash))
	for _, t := range s.byHash {
		if keep(t) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *stored) int { return cmp.Compare(a.serial, b.serial) })
	return all
}

// storedKey is an API key.
type storedKey struct {
	// Immutable.
	hash   digest
	key    Key // without LastUsed
	number int // in the order of creation

	used atomic.Int64 // when it was last used, in Unix seconds; 0 for never

	// Guarded as the state is.
	revoked  bool
	unstored bool // its revocation could not be stored yet

	saved time.Time // the stored time of its last use; guarded by Authority.writing
}

func (k *storedKey) ended(now time.Time) bool {
	return k.revoked || !k.key.Expires.IsZero() && !now.Before(k.key.Expires)
}

// public returns the key as the API shows it.
func (k *storedKey) public() Key {
	key := k.key
	key.Channels = slices.Clone(key.Channels)
	key.LastUsed = k.lastUsed()
	return key
}

func (k *storedKey) lastUsed() time.Time {
	if used := k.used.Load(); used != 0 {
		return time.Unix(used, 0).UTC()
	}
	return time.Time{}
}

func (k *storedKey) line() *line {
	return &line{
		Op: opKey, ID: k.key.ID, Hash: k.hash, Label: k.key.Name, Verbs: k.key.Verbs.names(), On: k.key.Channels,
		Created: k.key.Created, Expires: k.key.Expires, Used: k.lastUsed(), Revoked: k.revoked, Key: k.key.Key,
	}
}

func (s *state) putKey(l *line) error {
	if !isID(keyIDPrefix, l.ID) {
		return errors.New("a key has no valid ID")
	}
	k := &storedKey{hash: l.Hash, number: s.nextKey(), revoked: l.Revoked, saved: l.Used}
	k.key = Key{ID: l.ID, Key: l.Key, Name: l.Label, Channels: slices.Clone(l.On), Created: l.Created, Expires: l.Expires}
	for _, name := range l.Verbs {
		verb, err := ParseKeyVerb(name)
		if err != nil {
			return err
		}
		k.key.Verbs |= verb
	}
	if err := checkKey(k.key); err != nil {
		return err
	}
	if !l.Used.IsZero() {
		k.used.Store(l.Used.Unix())
	}
	if s.keys[k.hash] != nil || s.keyIDs[l.ID] != nil {
		return errors.New("a key has the ID or the hash of another")
	}
	s.keys[k.hash], s.keyIDs[l.ID] = k, k
	return nil
}

// nextKey returns a number greater than those of all keys.
func (s *state) nextKey() int {
	n := 0
	for _, k := range s.keyIDs {
		n = max(n, k.number)
	}
	return n + 1
}

func (s *state) dropKey(k *storedKey) {
	delete(s.keys, k.hash)
	delete(s.keyIDs, k.key.ID)
}

func (s *state) keysInOrder() []*storedKey {
	all := make([]*storedKey, 0, len(s.keyIDs))
	for _, k := range s.keyIDs {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *storedKey) int { return cmp.Compare(a.number, b.number) })
	return all
}
