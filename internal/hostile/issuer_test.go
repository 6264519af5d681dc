package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
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

// This file has those whom the server asks: an issuer of JWTs, whose signatures are made
// here from RFC 7515 without the library that the server verifies with, and a backend.

const issuerName = "https://issuer.example"

// An issuer signs JWTs with a secret, and with a key that is in its JWKS.
type issuer struct {
	secret []byte
	file   string // of the secret
	key    *ecdsa.PrivateKey
	set    []byte // the JWKS
	url    string // of it
	asked  atomic.Int64
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{secret: []byte(rand.Text() + rand.Text()), file: filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(i.file, append(i.secret, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	point, err := i.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	i.set, _ = json.Marshal(object{"keys": []object{{
		"kty": "EC", "crv": "P-256", "kid": "es", "x": encode(point[1:33]), "y": encode(point[33:]),
	}}})
	i.url = listen(t, func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		w.Write(i.set)
	})
	return i
}

// listen serves requests, each on a connection of its own, so that none lingers.
func listen(t testing.TB, handle http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handle)
	server.Config.SetKeepAlivesEnabled(false)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encodeJSON(v any) string {
	text, _ := json.Marshal(v)
	return encode(text)
}

// claims are those of a good token, with changes; a change to nil takes one out.
func claims(changes object) object {
	c := object{
		"iss": issuerName, "aud": "boreas", "sub": "ann", "exp": time.Now().Add(time.Hour).Unix(),
		"boreas": []object{{"channels": []string{"**"}, "allow": []string{"join"}}},
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// hs256 signs with a secret.
func hs256(secret []byte, header, claims object) string {
	signed := encodeJSON(header) + "." + encodeJSON(claims)
	mac := hmac.New(sha256.New, secret)
	io.WriteString(mac, signed)
	return signed + "." + encode(mac.Sum(nil))
}

// es256 signs with the issuer's key. Both signatures are of the same: of (r, s) and (r,
// n-s) each can be made from the other without the key.
func (i *issuer) es256(header, claims object) (token, other string) {
	signed := encodeJSON(header) + "." + encodeJSON(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		panic(err)
	}
	write := func(s *big.Int) string {
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signed + "." + encode(signature)
	}
	return write(s), write(new(big.Int).Sub(i.key.Params().N, s))
}

// A backend refuses every token, and those that begin with "slow" only when it is let go on.
type backend struct {
	url   string
	asked atomic.Int64
	held  atomic.Int64
	hold  atomic.Pointer[chan struct{}]
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	b := new(backend)
	b.url = listen(t, func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		io.Copy(io.Discard, r.Body)
		if hold := b.hold.Load(); hold != nil {
			b.held.Add(1)
			select {
			case <-*hold:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(http.StatusUnauthorized)
	}) + "/check"
	return b
}

// slow makes the backend answer nothing until done is called.
func (b *backend) slow() (done func()) {
	hold := make(chan struct{})
	b.hold.Store(&hold)
	return func() {
		b.hold.Store(nil)
		close(hold)
	}
}
