package auth

import (
	"fmt"
	"slices"

	"github.com/boreas-pubsub/boreas/internal/fault"
)

// maxChangers is how many valid keys may give one token rules or an end, beside the one that
// made it.
const maxChangers = 16

// changedBy returns the keys that have changed a token once the one of the ID has done so, too.
// A key that is not valid any more takes no token back, so it is left out. The caller holds
// writing.
func (a *Authority) changedBy(t *stored, id string) ([]string, error) {
	if id == "" || id == t.grant.Key || slices.Contains(t.changed, id) {
		return t.changed, nil
	}
	valid := slices.DeleteFunc(slices.Clone(t.changed), func(id string) bool { return a.validKey(id) != nil })
	if len(valid) >= maxChangers {
		return nil, fault.TooManyStored.With(fmt.Sprintf("The token was changed with %d keys, as many as there may be. Make another one.", len(valid)))
	}
	return append(valid, id), nil
}

// Made is what an API key has done that its revocation is about.
type Made struct {
	Tokens  int      // valid tokens that it made: they are taken back with it
	Changed int      // valid tokens that others made, and to which it gave rules or an end: likewise
	Keys    []string // IDs of the valid keys that it made: they stay valid
}

// MadeWith returns what the API key of the ID has made and changed.
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

// changedWith returns the IDs of the tokens that others made and the key has changed. The
// caller holds writing.
func (a *Authority) changedWith(id string) map[string]bool {
	ids := make(map[string]bool)
	for _, t := range a.state.byHash {
		if slices.Contains(t.changed, id) {
			ids[t.grant.TokenID] = true
		}
	}
	return ids
}
