package admission

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// This file has those who make tokens outside of the server: an issuer of JWTs, and a
// backend that is asked. They are written from RFC 7515 and docs/security.md, without the
// library that the server verifies with.

// The names of the issuer's keys.
const hsKid, esKid = "hs-1", "es-1"

// An issuer signs JWTs with a secret, and with a key that is in its JWKS.
type issuer struct {
	secret []byte
	file   string // of the secret
	key    *ecdsa.PrivateKey
	url    string // of the JWKS
	server *httptest.Server
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	secret := []byte(rand.Text() + rand.Text())
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, append(secret, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	set, _ := json.Marshal(object{"keys": []object{{
		"kty": "EC", "crv": "P-256", "kid": esKid, "x": encode(point[1:33]), "y": encode(point[33:]),
	}}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(set) }))
	t.Cleanup(server.Close)
	return &issuer{secret, file, key, server.URL + "/keys", server}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func toSign(algorithm, kid string, claims object) string {
	header, _ := json.Marshal(object{"alg": algorithm, "typ": "JWT", "kid": kid})
	body, _ := json.Marshal(claims)
	return encode(header) + "." + encode(body)
}

func (i *issuer) hs256(claims object) string { return i.hs256By(hsKid, claims) }

// hs256By signs under a name of the key: a secret has none of its own.
func (i *issuer) hs256By(kid string, claims object) string {
	signed := toSign("HS256", kid, claims)
	mac := hmac.New(sha256.New, i.secret)
	io.WriteString(mac, signed)
	return signed + "." + encode(mac.Sum(nil))
}

func (i *issuer) es256(claims object) string {
	signed := toSign("ES256", esKid, claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		panic(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + encode(signature)
}

// A backend answers what it was told to about a token, and refuses all others.
type backend struct {
	url    string
	server *httptest.Server

	mu      sync.Mutex
	answers map[string]object // guarded by mu: by token
	asked   []string          // guarded by mu: the tokens that it was asked about
	refusal string            // guarded by mu
	status  int               // guarded by mu: of every answer, if not 0

	decided atomic.Pointer[func()] // called once, after an answer is decided and before it is sent
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	b := &backend{answers: make(map[string]object), refusal: "I do not know it."}
	b.server = httptest.NewServer(http.HandlerFunc(b.serve))
	b.url = b.server.URL + "/check"
	t.Cleanup(b.server.Close)
	return b
}

func (b *backend) serve(w http.ResponseWriter, r *http.Request) {
	var question struct{ Token string }
	json.NewDecoder(r.Body).Decode(&question) // what cannot be read is refused below
	b.mu.Lock()
	b.asked = append(b.asked, question.Token)
	said, known := b.answers[question.Token]
	status, refusal := b.status, b.refusal
	b.mu.Unlock()
	once(&b.decided)
	switch {
	case status != 0:
		w.WriteHeader(status)
	case known:
		json.NewEncoder(w).Encode(said)
	default:
		w.WriteHeader(http.StatusUnauthorized)
		json.NewEncoder(w).Encode(object{"message": refusal})
	}
}

// takes makes the backend answer that about the token.
func (b *backend) takes(token string, said object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[token] = said
}
