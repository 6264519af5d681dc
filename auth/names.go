package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

// A nameKey produces the names of users without a name: the users of classic tokens, and of
// opaque tokens that were created without a user. Other users see these names, in presence and
// beside messages. Without the key it is impossible to find the token of a name, or to test a
// guess of the token.
type nameKey [32]byte

// userPrefix is the prefix of the names that a nameKey produces.
const userPrefix = "u_"

func newNameKey() (k nameKey) {
	rand.Read(k[:]) // never fails: the runtime ends the process first
	return k
}

// of returns the name of a token's user. The name is the same on every transport as long as the
// key is the same.
func (k *nameKey) of(tokenID string) string {
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte(tokenID))
	return userPrefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:idBytes])
}

// MarshalText returns the form in a file or line.
func (k nameKey) MarshalText() ([]byte, error) { return encodeText(k[:]), nil }

// UnmarshalText reads the form in a file or line.
func (k *nameKey) UnmarshalText(text []byte) error { return decodeText(k[:], text) }

const (
	namesFile    = "names.key"
	newNamesFile = "names.key.new" // renamed to namesFile when it is complete
)

// openNameKey reads the key from the directory, which the caller has locked. If there is none,
// it creates one.
func openNameKey(dir string) (nameKey, error) {
	path := filepath.Join(dir, namesFile)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeNameKey(dir)
	case err != nil:
		return nameKey{}, fmt.Errorf("read the key of users' names: %w", err)
	}
	var k nameKey
	if err := decodeText(k[:], []byte(strings.TrimSuffix(string(text), "\n"))); err != nil {
		return nameKey{}, fmt.Errorf("%s is damaged: it has %d bytes instead of %d characters of base64url and a line break. "+
			"Replace it with a backup. Or remove it: then users without a name get new names (%s…)", path, len(text), len(encodeText(k[:])), userPrefix)
	}
	return k, nil
}

func makeNameKey(dir string) (nameKey, error) {
	k := newNameKey()
	err := writeNameKey(dir, k)
	if err != nil {
		return nameKey{}, fmt.Errorf("store the key of users' names: %w", err)
	}
	return k, nil
}

// writeNameKey writes the complete key or nothing.
func writeNameKey(dir string, k nameKey) error {
	name := filepath.Join(dir, newNamesFile)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(encodeText(k[:]), '\n'))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(name, filepath.Join(dir, namesFile))
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return dirlock.Sync(dir)
}
