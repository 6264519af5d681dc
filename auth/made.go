package auth

import (
	"fmt"
	"slices"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// maxChangers is how many valid keys may set the rules or expiry of one token, in addition to
// the key that created it.
const maxChangers = 16

// changedBy returns the keys that have changed a token, including the key with the given ID. It
// leaves out invalid keys, because their revocation does not revoke the token. The caller holds
// writing.
func (a *Authority) changedBy(t *stored, id string) ([]string, error) {
	if id == "" || id == t.grant.Key || slices.Contains(t.changed, id) {
		return t.changed, nil
	}
	valid := slices.DeleteFunc(slices.Clone(t.changed), func(id string) bool { return a.validKey(id) != nil })
	if len(valid) >= maxChangers {
		return nil, fault.TooManyStored.With(fmt.Sprintf("%d keys have changed this token, which is the limit. Make another one.", len(valid)))
	}
	return append(valid, id), nil
}

// Made lists the tokens and keys that the revocation of an API key concerns.
type Made struct {
	Tokens  int      // valid tokens that it created: they are revoked with it
	Changed int      // valid tokens that others created and whose rules or expiry it set: likewise
	Keys    []string // IDs of the valid keys that it created: they stay valid
}

// MadeWith returns the tokens and keys that the API key with the ID has created and changed.
func (a *Authority) MadeWith(id string) Made {
	a.mu.RLock()
	defer a.mu.RUnlock()
	m := Made{Keys: []string{}}
	for _, t := range a.state.byHash {
		switch {
		case a.ended(t) != nil:
		case t.grant.Key == id:
			m.Tokens++
		case slices.Contains(t.changed, id):
			m.Changed++
		}
	}
	for _, k := range a.state.keysInOrder() {
		if k.key.Key == id && a.validKey(k.key.ID) == nil {
			m.Keys = append(m.Keys, k.key.ID)
		}
	}
	return m
}

// made reports whether a key with the ID has created or changed anything that the authority keeps. It
// may be a former AdminKey. The caller holds mu or writing.
func (a *Authority) made(id string) bool {
	for _, t := range a.state.byHash {
		if t.grant.Key == id || slices.Contains(t.changed, id) {
			return true
		}
	}
	for _, k := range a.state.keyIDs {
		if k.key.Key == id {
			return true
		}
	}
	return false
}

// changedWith returns the IDs of the tokens that others created and that the key has changed.
// The caller holds writing.
func (a *Authority) changedWith(id string) map[string]bool {
	ids := make(map[string]bool)
	for _, t := range a.state.byHash {
		if slices.Contains(t.changed, id) {
			ids[t.grant.TokenID] = true
		}
	}
	return ids
}
