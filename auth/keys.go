package auth

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// A KeyVerb is a set of things that a key allows.
type KeyVerb uint8

// The verbs of keys.
const (
	KeyPublish  KeyVerb = 1 << iota // publish
	KeyTokens                       // make, change, delete and revoke tokens
	KeySessions                     // see and end sessions, see channels, history and presence
	KeyStats                        // counters and metrics
	KeyView                         // see what KeySessions and KeyStats see, without payloads; change nothing
	KeyAdmin                        // everything, including keys

	allKeyVerbs = KeyPublish | KeyTokens | KeySessions | KeyStats | KeyView | KeyAdmin
)

var keyVerbNames = []string{"publish", "tokens", "sessions", "stats", "view", "admin"}

func (v KeyVerb) names() []string {
	var names []string
	for i, name := range keyVerbNames {
		if v&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names of the verbs, separated by commas.
func (v KeyVerb) String() string { return strings.Join(v.names(), ", ") }

// ParseKeyVerb returns the verb with the name. The error lists the valid names.
func ParseKeyVerb(name string) (KeyVerb, error) {
	i := slices.Index(keyVerbNames, name)
	if i < 0 {
		// The names are short. If a secret was given in place of one, the error must not repeat it.
		return 0, fmt.Errorf("there is no verb %.10q of keys: the verbs are %s", name, allKeyVerbs)
	}
	return 1 << i, nil
}

// A Key is an API key, which lets a backend use the API.
type Key struct {
	ID       string
	Key      string // ID of the key that created it; "" if no key did, or if it is unknown
	Name     string
	Verbs    KeyVerb
	Channels []string // patterns of the channels that it is for; none means all channels
	Created  time.Time
	Expires  time.Time // zero for never
	LastUsed time.Time // to the minute; zero for never
}

// May returns nil if the key allows the verb, on the channel if that is not "". Otherwise the error
// is [fault.NotPermitted], and says what the key allows.
func (k *Key) May(verb KeyVerb, channel string) error {
	if k.Verbs&KeyAdmin == 0 && verb&^k.Verbs != 0 {
		return fault.NotPermitted.With(fmt.Sprintf("The key %q allows %v, but not %v.", k.Name, k.Verbs, verb&^k.Verbs))
	}
	if channel == "" || len(k.Channels) == 0 {
		return nil
	}
	for _, text := range k.Channels {
		if p, err := access.ParsePattern(text); err == nil && p.Match(channel) {
			return nil
		}
	}
	return fault.NotPermitted.With(fmt.Sprintf("The key %q is only for the channels %s, and not for %.100q.", k.Name, strings.Join(k.Channels, ", "), channel))
}

const (
	// maxKeyName is the maximum length of a key's name, in characters.
	maxKeyName = 64

	// maxKeyChannels is the maximum number of patterns of a key. Each request is compared with all
	// of them.
	maxKeyChannels = 100

	// sameName is how many valid keys may share a name: the key in use, and its successor.
	sameName = 2
)

// checkKey returns what is wrong with a key.
func checkKey(k Key) error {
	switch n := utf8.RuneCountInString(k.Name); {
	case n == 0:
		return errors.New("the key's name is empty")
	case n > maxKeyName:
		return fmt.Errorf("the key's name has %d characters, more than %d", n, maxKeyName)
	case !utf8.ValidString(k.Name) || strings.ContainsFunc(k.Name, unicode.IsControl):
		return errors.New("the key's name has a control character, or is not valid UTF-8")
	case k.Verbs == 0 || k.Verbs&^allKeyVerbs != 0:
		return fmt.Errorf("the key has no valid verbs: the verbs are %v", allKeyVerbs)
	case len(k.Channels) > maxKeyChannels:
		return fmt.Errorf("the key has %d patterns of channels, more than %d", len(k.Channels), maxKeyChannels)
	}
	for _, text := range k.Channels {
		if _, err := access.ParsePattern(text); err != nil {
			return err
		}
	}
	return nil
}

// CreateKey creates a key with the name, verbs, channels, expiry and creator of k. It returns the
// text of the key, which it does not keep. At most two valid keys may share a name. Errors:
// [fault.Malformed], [fault.TooManyStored], [fault.NotStored]; [fault.InvalidKey] if k.Key is not valid any more.
func (a *Authority) CreateKey(k Key) (text string, made Key, err error) {
	if err := checkKey(k); err != nil {
		return "", Key{}, malformed(err)
	}
	if err := checkEnd("expires", k.Expires); err != nil {
		return "", Key{}, err
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	text = newSecret(keyPrefix)
	l := &line{
		Op: opKey, ID: newID(keyIDPrefix), Hash: digestOf(text), Label: k.Name, Verbs: k.Verbs.names(), On: k.Channels,
		Created: time.Now().UTC().Round(0), Expires: wallTime(k.Expires), Key: k.Key,
	}
	err = a.change(k.Key, func() ([]*line, error) {
		room, err := a.keyRoom(k.Name)
		return append(room, l), err
	})
	if err != nil {
		return "", Key{}, err
	}
	return text, a.state.keyIDs[l.ID].public(), nil
}

// keyRoom returns the lines that make room for a key with the name. Keys that are revoked or expired
// are kept until another key needs their place, so that the API can say why it refuses them. The
// caller holds writing.
func (a *Authority) keyRoom(name string) ([]*line, error) {
	now := time.Now()
	all := a.state.keysInOrder()
	var same []*storedKey
	var ended *storedKey
	for _, k := range all {
		switch {
		case k.ended(now):
			if ended == nil {
				ended = k
			}
		case k.key.Name == name:
			same = append(same, k)
		}
	}
	switch {
	case len(same) >= sameName:
		return nil, fault.Malformed.With(fmt.Sprintf("There are already %d valid keys named %q, which is enough to replace one with the next. Revoke the older one first, %s, or use another name.",
			len(same), name, same[0].key.ID))
	case len(all) < a.options.MaxKeys:
		return nil, nil
	case ended == nil:
		return nil, fault.TooManyStored.With(fmt.Sprintf("The server has reached its limit of %d keys. Revoke keys that nobody uses.", len(all)))
	}
	return []*line{{Op: opDelete, ID: ended.key.ID}}, nil
}

// Keys lists the keys that are not revoked: the AdminKey, then the oldest first.
func (a *Authority) Keys() []Key {
	a.mu.RLock()
	defer a.mu.RUnlock()
	keys := []Key{}
	if a.admin != nil && !a.isRevoked(a.admin) {
		keys = append(keys, a.admin.public())
	}
	for _, k := range a.state.keysInOrder() {
		if !k.revoked {
			keys = append(keys, k.public())
		}
	}
	return keys
}

// HasKey reports whether a key with the ID exists and is not revoked, or its revocation is not
// stored yet.
func (a *Authority) HasKey(id string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	k := a.keyWithID(id)
	return k != nil && (!a.isRevoked(k) || k.unstored)
}

// HasKeys reports whether a key was ever created, or there is an AdminKey. The API requires a key from then on.
func (a *Authority) HasKeys() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.admin != nil || len(a.state.keyIDs) > 0 // a key is only removed to make room for another
}

// CheckKey returns the key with the text, and records that it was used. Errors: [fault.InvalidKey],
// which says whether the key is unknown, expired or revoked; [fault.AuthUnavailable] if the store is a
// [Fence] that is cut off, or does not answer and the key is unknown.
func (a *Authority) CheckKey(text string) (*Key, error) {
	if err := a.fenced(); err != nil {
		return nil, err
	}
	hash := digestOf(text)
	now := time.Now()
	a.mu.RLock()
	k := a.keyWithHash(hash)
	if k == nil && IsKey(text) {
		a.mu.RUnlock()
		if err := a.readOthers(); err != nil {
			return nil, err
		}
		a.mu.RLock()
		k = a.keyWithHash(hash)
	}
	if k == nil || subtle.ConstantTimeCompare(k.hash[:], hash[:]) != 1 {
		a.mu.RUnlock()
		return nil, fault.InvalidKey.With("The API key is unknown. `boreas key list` lists the keys, and `boreas key new` makes one.")
	}
	revoked, key := a.isRevoked(k), k.public()
	a.mu.RUnlock()
	switch {
	case revoked:
		return nil, fault.InvalidKey.With(fmt.Sprintf("The API key %q (%s) is revoked.", key.Name, key.ID))
	case !key.Expires.IsZero() && !now.Before(key.Expires):
		return nil, fault.InvalidKey.With(fmt.Sprintf("The API key %q (%s) expired at %s.", key.Name, key.ID, stamp(key.Expires)))
	}
	minute := now.UTC().Truncate(time.Minute)
	if !key.LastUsed.Equal(minute) { // LastUsed is later if the clock was set back
		k.used.Store(minute.Unix())
		key.LastUsed = minute
		if k != a.admin { // which is not stored
			a.noteUse(k, minute)
		}
	}
	return &key, nil
}

// ValidKey returns nil while the key with the ID is neither revoked nor expired. Otherwise the error
// is [fault.InvalidKey], with the reason.
func (a *Authority) ValidKey(id string) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.validKey(id)
}

// validKey is like ValidKey, for a caller that holds mu or writing.
func (a *Authority) validKey(id string) error {
	switch k := a.keyWithID(id); {
	case k == nil:
		return fault.InvalidKey.With(fmt.Sprintf("The API key %s no longer exists.", id))
	case a.isRevoked(k):
		return fault.InvalidKey.With(fmt.Sprintf("The API key %q (%s) is revoked.", k.key.Name, id))
	case k.ended(time.Now()):
		return fault.InvalidKey.With(fmt.Sprintf("The API key %q (%s) expired at %s.", k.key.Name, id, stamp(k.key.Expires)))
	}
	return nil
}

// validMaker returns an error if the change is requested with a key that is not valid any more:
// it may have been revoked while the change waited for its turn. An ID that does not belong to a
// key is a name that an embedder gives. The caller holds writing.
func (a *Authority) validMaker(id string) error {
	if a.keyWithID(id) == nil {
		return nil
	}
	return a.validKey(id)
}

// useInterval is how often the last use of a key is stored. Operators look at it to find keys that
// nobody needs, so it need not be exact.
const useInterval = time.Hour

// noteUse stores that a key was used, unless another change is being made. The caller does not wait
// for the disk.
func (a *Authority) noteUse(k *storedKey, at time.Time) {
	if a.store == nil || !a.writing.TryLock() {
		return // the next use, a minute later, can store it
	}
	defer a.writing.Unlock()
	if a.closed || at.Sub(k.saved).Abs() < useInterval {
		return
	}
	a.save(k, at) //nolint:errcheck // it is logged, and the request must not fail
}

func (a *Authority) save(k *storedKey, at time.Time) error {
	k.saved = at // also if storing fails, because it would fail again now
	text, err := json.Marshal(&line{Op: opUsed, ID: k.key.ID, Used: at})
	if err == nil {
		err = a.store.Note(context.Background(), text)
	}
	if err != nil {
		a.options.Log.Warn("the time of a key's last use could not be stored", "key", k.key.ID, "error", err)
	}
	return err
}

// saveUse stores when each key was last used. The caller holds writing.
func (a *Authority) saveUse() error {
	for _, k := range a.state.keysInOrder() {
		if at := k.lastUsed(); !at.Equal(k.saved) {
			if err := a.save(k, at); err != nil {
				return err
			}
		}
	}
	return nil
}
