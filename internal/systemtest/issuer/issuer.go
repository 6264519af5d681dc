// Package issuer makes the tokens of tests outside of the server: an [Issuer] signs JSON Web Tokens,
// and a [Backend] answers the server's questions about opaque tokens. It is written from RFC 7515 and
// docs/security.md, without the library that the server verifies with.
package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// Object is a JSON object.
type Object = map[string]any

// The names of an Issuer's keys. HS256 tokens may name any key, because a secret has no name.
const (
	HS256Key = "hs-1"
	ES256Key = "es-1"
)

// The iss and aud of the tokens that [Claims] makes.
const (
	Name     = "https://issuer.example"
	Audience = "boreas"
)

// An Issuer signs JWTs with a secret and with an ECDSA key, which is in its JWKS.
type Issuer struct {
	Secret []byte
	File   string // holds the secret
	Key    *ecdsa.PrivateKey
	JWKS   []byte
	URL    string // of the JWKS
	Asked  atomic.Int64
}

// New starts an issuer that ends with the test.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{Secret: []byte(rand.Text() + rand.Text()), File: filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(i.File, append(i.Secret, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if i.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	i.JWKS = JSON(Object{"keys": []Object{JWK(ES256Key, i.Key.Public(), nil)}})
	i.URL = Listen(t, func(w http.ResponseWriter, _ *http.Request) {
		i.Asked.Add(1)
		w.Write(i.JWKS)
	}).URL
	return i
}

// Listen serves HTTP until the test ends. Each request has its own connection, so none stays open.
func Listen(t testing.TB, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handle)
	server.Config.SetKeepAlivesEnabled(false)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// HS256 returns a token with these claims that is signed with the secret.
func (i *Issuer) HS256(claims Object) string {
	return HS256(i.Secret, Object{"alg": "HS256", "typ": "JWT", "kid": HS256Key}, claims)
}

// ES256 returns a token with these claims that is signed with the ECDSA key.
func (i *Issuer) ES256(claims Object) string {
	token, _ := i.ES256Twins(Object{"alg": "ES256", "typ": "JWT", "kid": ES256Key}, claims)
	return token
}

// ES256Twins returns a token twice, with both signatures that the key can make: anybody can turn the
// signature (r, s) into (r, n-s).
func (i *Issuer) ES256Twins(header, claims Object) (token, twin string) {
	sign := func(negate bool) string {
		return Sign(header, claims, func(signed []byte) []byte {
			sum := sha256.Sum256(signed)
			r, s, err := ecdsa.Sign(rand.Reader, i.Key, sum[:])
			if err != nil {
				panic(err)
			}
			if negate {
				s.Sub(i.Key.Params().N, s)
			}
			signature := make([]byte, 64)
			r.FillBytes(signature[:32])
			s.FillBytes(signature[32:])
			return signature
		})
	}
	return sign(false), sign(true)
}

// HS256 returns a token that is signed with the secret.
func HS256(secret []byte, header, claims any) string {
	return Sign(header, claims, func(signed []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(signed)
		return mac.Sum(nil)
	})
}

// Sign returns a token. The header and the claims are text, or become JSON.
func Sign(header, claims any, sign func(signed []byte) []byte) string {
	signed := Encode(JSON(header)) + "." + Encode(JSON(claims))
	return signed + "." + Encode(sign([]byte(signed)))
}

// Encode returns b in base64url.
func Encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// JSON returns v as JSON; a string is JSON already.
func JSON(v any) []byte {
	if text, ok := v.(string); ok {
		return []byte(text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Claims returns the claims of a valid token of the user u1, with changes. A change to nil removes a
// claim.
func Claims(changes Object) Object {
	now := time.Now()
	return changed(Object{
		"iss": Name, "aud": Audience, "sub": "u1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"boreas": []Object{{"channels": []string{"chat.*"}, "allow": []string{"join"}}},
	}, changes)
}

func changed(o, changes Object) Object {
	maps.Copy(o, changes)
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	return o
}

// JWK returns a public key as a JSON Web Key, with changes. A change to nil removes a member.
func JWK(kid string, public crypto.PublicKey, changes Object) Object {
	j := Object{"kid": kid}
	switch p := public.(type) {
	case *rsa.PublicKey:
		j["kty"], j["n"], j["e"] = "RSA", Encode(p.N.Bytes()), Encode(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			panic(err)
		}
		size := (len(point) - 1) / 2
		j["kty"], j["crv"], j["x"], j["y"] = "EC", p.Params().Name, Encode(point[1:1+size]), Encode(point[1+size:])
	case ed25519.PublicKey:
		j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", Encode(p)
	}
	return changed(j, changes)
}
