package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxKid = 255 // bytes of a key's name

	// jwtDomain keeps the hashes of tokens apart from any others.
	jwtDomain = "boreas jwt\x00"
)

// strict64 has one text for the same bytes: what a token is hashed to must not depend on
// who wrote it down. It skips line breaks, so the characters are looked at before.
var strict64 = base64.RawURLEncoding.Strict()

// jwtParts are a token in its parts. Nothing of it is to be believed before the signature was
// verified.
type jwtParts struct {
	alg, kid  string
	signed    string // what the signature is of
	payload   []byte
	signature []byte
}

// symmetric tells whether it is signed with a secret.
func (t *jwtParts) symmetric() bool { return strings.HasPrefix(t.alg, "HS") }

// splitJWT takes a token apart, and reads its header. Its errors are faults.
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

// readHeader reads the JOSE header. Where it says that a key could be got (jku, jwk, x5u,
// x5c) is not looked at: who forges a token would say where his is.
func (t *jwtParts) readHeader(text []byte) error {
	header, ok := object(text)
	if !ok {
		return badJWT("The token's header is not a JSON object, or has a member twice.")
	}
	for _, name := range []string{"crit", "b64", "zip", "enc", "cty"} {
		// What says that the rest is to be read in another way than here.
		if _, there := header[name]; there {
			return badJWT("The token's header has the member %s: the server does not accept such tokens.", name)
		}
	}
	if typ, there := header["typ"]; there {
		text, _ := stringOf(typ)
		// A logout token or a security event of the same issuer lets nobody in (RFC
		// 8725, 3.11).
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

func validKid(kid string) bool {
	return kid != "" && len(kid) <= maxKid && utf8.ValidString(kid) && strings.IndexFunc(kid, unicode.IsControl) < 0
}

// object reads a JSON object; its values are parts of the text. It is none if a member occurs twice, of which others might
// take the other one, or if anything follows.
func object(text []byte) (map[string]jsontext.Value, bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, false
	}
	members := make(map[string]jsontext.Value)
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, false
		}
		key := name.String() // a token is good until the next is read
		if members[key], err = readValue(d, text); err != nil {
			return nil, false
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	_, err := d.ReadToken()
	return members, err == io.EOF
}

// stringOf returns the string that a JSON value is; false if it is none, or nothing.
func stringOf(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil
}

// jwtID returns the TokenID of a JWT, without verifying it: of its iss and jti if it has
// one, otherwise of what its signature is of. The signature itself must not count: of
// ECDSA's there is a second one that is as good, and anybody can make it from the first.
func jwtID(text string) string {
	signed := text
	if i := strings.LastIndexByte(text, '.'); i >= 0 {
		signed = text[:i]
	}
	_, payload, _ := strings.Cut(signed, ".")
	if b, ok := decode64(payload); ok && len(text) <= MaxJWT {
		if claims, ok := object(b); ok {
			return claimsID(claims, signed)
		}
	}
	return hashID(jwtIDPrefix, jwtDomain, "text", signed)
}

// claimsID is jwtID for a token that was read already.
func claimsID(claims map[string]jsontext.Value, signed string) string {
	jti, _ := stringOf(claims["jti"])
	if jti == "" {
		return hashID(jwtIDPrefix, jwtDomain, "text", signed)
	}
	iss, _ := stringOf(claims["iss"])
	return hashID(jwtIDPrefix, jwtDomain, "jti", iss, jti)
}

// hashID returns an ID that is made of the parts.
func hashID(prefix string, parts ...string) string {
	sum := hashParts(parts...)
	return prefix + base64.RawURLEncoding.EncodeToString(sum[:idBytes])
}

// hashParts hashes the parts with their lengths, so that no two lists of parts are the same
// text.
func hashParts(parts ...string) (sum [sha256.Size]byte) {
	var text []byte
	for _, part := range parts {
		text = binary.BigEndian.AppendUint64(text, uint64(len(part)))
		text = append(text, part...)
	}
	return sha256.Sum256(text)
}

// elements returns the elements of a JSON list; false if it is none.
func elements(v jsontext.Value) ([]jsontext.Value, bool) {
	if v.Kind() != '[' {
		return nil, false
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	d.ReadToken()
	list := []jsontext.Value{}
	for d.PeekKind() != ']' {
		e, err := readValue(d, v)
		if err != nil {
			return nil, false
		}
		list = append(list, e)
	}
	return list, true
}

// readValue reads the next value of the text: as a part of that, since what the decoder
// returns is good until it reads on.
func readValue(d *jsontext.Decoder, text []byte) (jsontext.Value, error) {
	v, err := d.ReadValue()
	end := d.InputOffset()
	return text[end-int64(len(v)) : end : end], err
}
