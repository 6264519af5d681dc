package auth

import (
	"errors"
	"fmt"
)

const (
	// AdminKeyName is the name of the key in [Options].AdminKey.
	AdminKeyName = "admin_key"

	// minAdminKey and maxAdminKey limit the characters of an AdminKey after its prefix. 32 characters of
	// the alphabet are 192 random bits.
	minAdminKey = 32
	maxAdminKey = 256
)

// CheckAdminKey returns an error if the text cannot be an [Options].AdminKey. The error does not
// repeat the text.
func CheckAdminKey(text string) error {
	switch n := len(text) - len(keyPrefix); {
	case !IsKey(text):
		return errors.New("the key does not begin with " + keyPrefix + ": make one with `echo " + keyPrefix + "$(openssl rand -hex 32)`")
	case n < minAdminKey || n > maxAdminKey:
		return fmt.Errorf("the key has %d characters after %s: give it %d to %d random ones", n, keyPrefix, minAdminKey, maxAdminKey)
	}
	for i := len(keyPrefix); i < len(text); i++ {
		if rank(text[i]) < 0 {
			return fmt.Errorf("character %d of the key is not a letter, a digit, - or _: remove it", i+1)
		}
	}
	return nil
}

// newAdminKey returns the key in [Options].AdminKey, or nil if there is none. Its ID depends on the
// text alone, so that it is the same on all servers and after a restart.
func newAdminKey(text string) (*storedKey, error) {
	if text == "" {
		return nil, nil
	}
	if err := CheckAdminKey(text); err != nil {
		return nil, err
	}
	k := &storedKey{hash: digestOf(text)}
	k.key = Key{ID: hashID(keyIDPrefix, AdminKeyName, text), Name: AdminKeyName, Verbs: KeyAdmin}
	return k, nil
}

// keyWithID returns the key with the ID, or nil. The caller holds mu or writing.
func (a *Authority) keyWithID(id string) *storedKey {
	if a.admin != nil && a.admin.key.ID == id {
		return a.admin
	}
	return a.state.keyIDs[id]
}

// keyWithHash returns the key with the hash, or nil. The caller holds mu or writing.
func (a *Authority) keyWithHash(hash digest) *storedKey {
	if a.admin != nil && a.admin.hash == hash {
		return a.admin
	}
	return a.state.keys[hash]
}

// isRevoked reports whether the key is revoked. The state has no place for the admin key, which
// nobody stores. It remembers its revocation as it does that of tokens. The caller holds mu or
// writing.
func (a *Authority) isRevoked(k *storedKey) bool {
	return k.revoked || k == a.admin && a.state.revocations.has(targetOf(targetKey, k.key.ID))
}
