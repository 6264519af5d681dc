package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// A digest is the SHA-256 of a token or key. The authority keeps only the digest, and looks a secret
// up by it. So the time of a look-up depends on the digest, and does not help to guess a secret byte
// by byte. The secrets are long and random: a slow hash, as for passwords, would not make them safer.
type digest [sha256.Size]byte

// digestOf does not allocate for secrets that the authority creates.
func digestOf(secret string) digest {
	var buffer [192]byte
	return sha256.Sum256(append(buffer[:0], secret...))
}

// MarshalText returns the form in the journal.
func (d digest) MarshalText() ([]byte, error) { return encodeText(d[:]), nil }

// UnmarshalText reads the form in the journal.
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
	idBytes     = 12 // random bytes of their IDs, enough that no two IDs are equal
	idLength    = 16 // characters of these bytes

	tokenPrefix = "bt_"
	keyPrefix   = "bk_"

	tokenIDPrefix   = "tok_"
	keyIDPrefix     = "key_"
	jwtIDPrefix     = "jwt_"
	backendIDPrefix = "ext_"
)

// newSecret returns a new random secret with the prefix.
func newSecret(prefix string) string { return prefix + random(secretBytes) }

// newID returns a new random ID with the prefix.
func newID(prefix string) string { return prefix + random(idBytes) }

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: the runtime ends the process first
	return base64.RawURLEncoding.EncodeToString(b)
}

// IsKey reports whether a text has the prefix of API keys.
func IsKey(text string) bool { return strings.HasPrefix(text, keyPrefix) }

// IsTokenID reports whether a text has the form of the ID of an opaque or classic token.
func IsTokenID(text string) bool { return isID(tokenIDPrefix, text) }

// isID reports whether a text has the form of an ID with the prefix.
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

// rank returns the position of a character in the alphabet of IDs, which is in the order of bytes. It
// returns -1 if the character is not in it.
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

// classicID returns the ID of a classic token.
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

// oursAlone reports whether a text has the form of an opaque token or API key. The authority does not
// pass such a text to the JWT or the Backend: they must not make a deleted token valid again, and
// must not see an API key that a client has sent by mistake.
func oursAlone(text string) bool {
	return strings.HasPrefix(text, tokenPrefix) || IsKey(text)
}
