package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// This file makes valid and invalid keys and tokens for the tests.

const secret = "a secret of more than 64 bytes, that every algorithm can use, here"

// signers are keys of each kind. They are made once, because RSA keys take long.
type signers struct {
	rsa, other *rsa.PrivateKey
	small      *rsa.PrivateKey
	p256, p384 *ecdsa.PrivateKey
	p521       *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
}

var keys = sync.OnceValue(func() signers {
	var s signers
	s.rsa = must(rsa.GenerateKey(rand.Reader, 2048))
	s.other = must(rsa.GenerateKey(rand.Reader, 2048))
	s.small = must(rsa.GenerateKey(rand.Reader, 1024))
	s.p256 = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	s.p384 = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	s.p521 = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	_, s.ed, _ = ed25519.GenerateKey(rand.Reader)
	return s
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type object = issuer.Object

// mint signs a token. The header and the claims are objects, or text.
func mint(method jwt.SigningMethod, key, header, claims any) string {
	return issuer.Sign(header, claims, func(signed []byte) []byte { return must(method.Sign(string(signed), key)) })
}

// hs256 returns a token that is signed with the secret, with changed claims.
func hs256(changes object) string {
	return issuer.HS256([]byte(secret), object{"alg": "HS256"}, issuer.Claims(changes))
}

func jwks(keys ...object) string { return string(issuer.JSON(object{"keys": keys})) }

// file writes a file and returns its path.
func file(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pemOf(public crypto.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))})
}

// newJWT returns a JWT that is closed at the end of the test.
func newJWT(t testing.TB, o auth.JWTOptions) *auth.JWT {
	t.Helper()
	j, err := auth.NewJWT(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j
}

// ofSecret returns options with the secret for HS256.
func ofSecret(t testing.TB) auth.JWTOptions {
	return auth.JWTOptions{Keys: []string{"hs256:" + file(t, []byte(secret+"\n"))}}
}

// outcome returns the user of a grant, or the fault's code and sentence.
func outcome(g *access.Grant, err error) string {
	switch {
	case err != nil && g != nil:
		return "a grant beside the error " + err.Error()
	case err != nil:
		return fault.Of(err).Code + ": " + fault.Message(err)
	case g == nil:
		return "neither a grant nor an error"
	}
	return "user " + g.User
}

func check(c interface {
	Check(access.Credentials) (*access.Grant, error)
}, token string,
) string {
	return outcome(c.Check(access.Credentials{Token: token, Address: netip.MustParseAddr("192.0.2.1")}))
}

func decode64(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
