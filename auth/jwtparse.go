package auth

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxKid is the maximum length of a key's name, in bytes.
const maxKid = 255

// jwtParts are the parts of a token. Nothing in them may be trusted before the signature is
// verified.
type jwtParts struct {
	alg, kid  string // of the header
	signed    string // the part of the text that the signature is of
	payload   []byte
	signature []byte
}

// symmetric reports whether the token is signed with a secret.
func (t *jwtParts) symmetric() bool { return strings.HasPrefix(t.alg, "HS") }

// splitJWT splits a token into its parts, and reads its header. The error is a fault.
func splitJWT(text string) (*jwtParts, error) {
	if len(text) > MaxJWT {
		return nil, badJWT("The token has %d bytes, more than %d.", len(text), MaxJWT)
	}
	parts := strings.SplitN(text, ".", 6)
	switch {
	case len(parts) == 5:
		return nil, badJWT("The token is encrypted (JWE): the server accepts only signed tokens (JWS).")
	case len(parts) != 3:
		return nil, badJWT("The token is not a JWT: it does not have three parts separated by dots.")
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, ok := decode64(part)
		if !ok {
			return nil, badJWT("The token is not a JWT: its part %d is not base64url without padding.", i+1)
		}
		decoded[i] = b
	}
	t := &jwtParts{
		signed:    text[:len(parts[0])+1+len(parts[1])],
		payload:   decoded[1],
		signature: decoded[2],
	}
	if err := t.readHeader(decoded[0]); err != nil {
		return nil, err
	}
	return t, nil
}

// readHeader reads the JOSE header. It ignores the members that say where to get a key (jku, jwk,
// x5u, x5c): a forged token would name the forger's key. The error is a fault.
func (t *jwtParts) readHeader(text []byte) error {
	header, ok := object(text)
	if !ok {
		return badJWT("The token's header is not a JSON object, or has a member twice.")
	}
	for _, name := range []string{"crit", "b64", "zip", "enc", "cty"} {
		// These members change how the rest of the token has to be read.
		if _, there := header[name]; there {
			return badJWT("The token's header has the member %s: the server does not accept such tokens.", name)
		}
	}
	if typ, there := header["typ"]; there {
		text, _ := stringOf(typ)
		// A logout token or a security event of the same issuer must not be accepted (RFC 8725,
		// 3.11).
		switch strings.TrimPrefix(strings.ToLower(text), "application/") {
		case "jwt", "at+jwt":
		default:
			return badJWT("The type (typ) in the token's header is neither JWT nor at+jwt.")
		}
	}
	if kid, there := header["kid"]; there {
		if t.kid, ok = stringOf(kid); !ok || !validKid(t.kid) {
			return badJWT("The key (kid) in the token's header is not a string of 1 to %d characters.", maxKid)
		}
	}
	t.alg, _ = stringOf(header["alg"])
	if strings.EqualFold(t.alg, "none") {
		return badJWT("The token is not signed: its algorithm is none.")
	}
	if algorithms[t.alg] == nil {
		return badJWT("The token's algorithm (alg) is not one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA.")
	}
	return nil
}

// validKid reports whether a text may be the name of a key.
func validKid(kid string) bool {
	return kid != "" && len(kid) <= maxKid && utf8.ValidString(kid) && strings.IndexFunc(kid, unicode.IsControl) < 0
}

// strict64 rejects base64url that is not canonical, so that a token has exactly one text: the text
// is hashed. It skips line breaks, so decode64 checks the characters first.
var strict64 = base64.RawURLEncoding.Strict()

func decode64(part string) ([]byte, bool) {
	for i := range len(part) {
		if !isBase64URL(part[i]) {
			return nil, false
		}
	}
	b, err := strict64.DecodeString(part)
	return b, err == nil
}

func isBase64URL(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
