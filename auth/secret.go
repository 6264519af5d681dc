package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// digest is the SHA-256 of a token or key: what is kept of it, and what it is looked up
// by. How long a comparison takes then depends on the hash, which nobody can steer
// towards a valid secret byte by byte. The secrets are long and random, so that a slower
// hash, as for passwords, would defend against nothing.
type digest [sha256.Size]byte

// digestOf allocates nothing for a secret that was made here.
func digestOf(secret string) digest {
	var buffer [192]byte
	return sha256.Sum256(append(buffer[:0], secret...))
}

// MarshalText and UnmarshalText are the form in the journal.
func (d digest) MarshalText() ([]byte, error) { return encodeText(d[:]), nil }

// UnmarshalText reads it.
func (d *digest) UnmarshalText(text []byte) error { return decodeText(d[:], text) }

func encodeText(b []byte) []byte { return base64.RawURLEncoding.AppendEncode(nil, b) }

func decodeText(dst, text []byte) error {
	if len(text) != base64.RawURLEncoding.EncodedLen(len(dst)) {
		return errors.New("it does not have the length of a hash")
	}
	_, err := base64.RawURLEncoding.Decode(dst, text)
	return err
}

const (
	secretBytes = 32 // random bytes of a token or key
	idBytes     = 12 // of their IDs: so that no two of them meet
	idLength    = 16 // characters of that

	tokenPrefix = "bt_"
	keyPrefix   = "bk_"

	tokenIDPrefix   = "tok_"
	keyIDPrefix     = "key_"
	jwtIDPrefix     = "jwt_"
	backendIDPrefix = "ext_"
)

// newSecret returns what begins with the prefix and cannot be guessed.
func newSecret(prefix string) string { return prefix + random(secretBytes) }

// newID returns a name for a secret that tells nothing of it.
func newID(prefix string) string { return prefix + random(idBytes) }

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: the runtime ends the process first
	return base64.RawURLEncoding.EncodeToString(b)
}

// IsKey tells whether text begins as every API key does, and no token of the server's own.
func IsKey(text string) bool { return strings.HasPrefix(text, keyPrefix) }

// IsTokenID tells whether text has the form of the ID of a token that the server made.
func IsTokenID(text string) bool { return isID(tokenIDPrefix, text) }

// isID tells whether text has the form of an ID with the prefix.
func isID(prefix, text string) bool {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != idLength {
		return false
	}
	for i := range len(rest) {
		if rank(rest[i]) < 0 {
			return false
		}
	}
	return true
}

// rank is the place of a character of IDs among them all, in the order of bytes; -1 if it
// is none.
func rank(c byte) int {
	switch {
	case c == '-':
		return 0
	case '0' <= c && c <= '9':
		return 1 + int(c-'0')
	case 'A' <= c && c <= 'Z':
		return 11 + int(c-'A')
	case c == '_':
		return 37
	case 'a' <= c && c <= 'z':
		return 38 + int(c-'a')
	}
	return -1
}

// nameDomain makes the hash used as a classic token's ID different from any other hash of the
// token.
const nameDomain = "boreas user\x00"

// nameOf returns an ID for a text. Anybody can compute it from the text, so only the operator
// may see it: others could use it to test guesses of a token elsewhere.
func nameOf(text string) string {
	sum := sha256.Sum256([]byte(nameDomain + text))
	return base64.RawURLEncoding.EncodeToString(sum[:idBytes])
}

// classicID is the ID of a classic token.
func classicID(token string) string { return tokenIDPrefix + nameOf(token) }

// hashID returns an ID that is a hash of the parts.
func hashID(prefix string, parts ...string) string {
	sum := hashParts(parts...)
	return prefix + base64.RawURLEncoding.EncodeToString(sum[:idBytes])
}

// hashParts hashes the parts with their lengths, so that different lists of parts never produce
// the same text.
func hashParts(parts ...string) (sum [sha256.Size]byte) {
	var text []byte
	for _, part := range parts {
		text = binary.BigEndian.AppendUint64(text, uint64(len(part)))
		text = append(text, part...)
	}
	return sha256.Sum256(text)
}

// oursAlone tells whether a text has the form of our opaque tokens or API keys: then nobody
// else is asked about it. A token that was deleted must not come back that way, and a key
// that was shown in the wrong place is nobody else's business.
func oursAlone(text string) bool {
	return strings.HasPrefix(text, tokenPrefix) || IsKey(text)
}
