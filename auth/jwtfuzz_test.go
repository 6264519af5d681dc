package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// FuzzJWT: a text that is not signed with the secret is refused, and nothing panics.
func FuzzJWT(f *testing.F) {
	o := ofSecret(f)
	j := newJWT(f, o)
	for _, c := range forged() {
		f.Add(c.token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		auth.JWTID(token)
		if got := check(j, token); !strings.HasPrefix(got, "user ") {
			return
		}
		cut := strings.LastIndexByte(token, '.')
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(token[:cut]))
		if issuer.Encode(mac.Sum(nil)) != token[cut+1:] {
			t.Fatalf("%q is accepted without a signature", token)
		}
	})
}

// FuzzJWKS: no key of a JWKS verifies a token with a symmetric signature, or a token without a
// signature.
func FuzzJWKS(f *testing.F) {
	k := keys()
	f.Add([]byte(jwks(issuer.JWK("rsa", &k.rsa.PublicKey, object{"alg": "PS256"}), issuer.JWK("ec", &k.p521.PublicKey, nil), issuer.JWK("ed", k.ed.Public(), nil))))
	f.Add([]byte(jwks(object{"kty": "oct", "k": "AAAA"}, object{"kty": "RSA", "n": "AAAA", "e": "AQAB"})))
	f.Fuzz(func(t *testing.T, text []byte) {
		kids, algs, err := auth.KidsOf(text)
		if err == nil && len(kids) == 0 {
			t.Fatalf("%q: neither keys nor an error", text)
		}
		for i, list := range algs {
			if len(list) == 0 || slices.ContainsFunc(list, func(alg string) bool { return alg == "none" || strings.HasPrefix(alg, "HS") }) {
				t.Fatalf("%q: the key %q is for %v", text, kids[i], list)
			}
		}
	})
}

// FuzzBackendAnswer: an accepted answer has a user.
func FuzzBackendAnswer(f *testing.F) {
	b := newBackend(f, nil, auth.BackendOptions{})
	f.Add([]byte(`{"user":"u1","rules":[{"channels":["a"],"allow":["join"]}],"ttl":300}`))
	f.Add([]byte(`{"user":"u1","ttl":1e-9}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		user, expires, err := b.ReadAnswer(text)
		if err != nil {
			return
		}
		if access.ValidUser(user) != nil {
			t.Fatalf("%q: the user is %q", text, user)
		}
		if !expires.IsZero() && time.Until(expires) > 366*24*time.Hour {
			t.Fatalf("%q: it expires at %v", text, expires)
		}
	})
}
