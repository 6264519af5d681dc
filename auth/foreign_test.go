package auth_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// foreign returns an authority that accepts JWTs, and asks a backend about other tokens. The backend
// accepts all of them. Asked is the number of requests to it.
func foreign(t *testing.T, dir string) (a *auth.Authority, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Write([]byte(`{"user":"u2"}`)) //nolint:errcheck // the test fails without an answer
	}))
	t.Cleanup(backend.Close)
	b, err := auth.NewBackend(auth.BackendOptions{URL: backend.URL})
	if err != nil {
		t.Fatal(err)
	}
	if a, err = auth.Open(auth.Options{DataDir: dir, JWT: newJWT(t, ofSecret(t)), Backend: b}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, asked
}

// who returns a token's user, or the fault's code and sentence.
func who(a *auth.Authority, token string) string {
	return outcome(a.Check(access.Credentials{Token: token}))
}

// TestForeignTokens: the form of a token decides whether the backend is asked.
func TestForeignTokens(t *testing.T) {
	a, asked := foreign(t, "")
	own, _, err := a.CreateToken(auth.Token{User: "u3"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		token, want string
		asked       int64
	}{
		{own, "user u3", 0},
		{hs256(nil), "user u1", 0},
		{"zebra", "user u2", 1},
	} {
		if got := who(a, test.token); got != test.want || asked.Load() != test.asked {
			t.Errorf("got %q, and the backend was asked %d times; want %q, %d", got, asked.Load(), test.want, test.asked)
		}
	}
}

// TestBackendIsNotAskedAboutOwnTokens: the backend is not asked about deleted opaque tokens and about API keys.
func TestBackendIsNotAskedAboutOwnTokens(t *testing.T) {
	a, asked := foreign(t, "")
	deleted, made, err := a.CreateToken(auth.Token{User: "u3"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(auth.Revocation{Token: made.ID}); err != nil {
		t.Fatal(err)
	}
	key, _, err := a.CreateKey(auth.Key{Name: "shop", Verbs: auth.KeyPublish})
	if err != nil {
		t.Fatal(err)
	}
	const unknown = "invalid_token: The token is not valid, or is no longer valid. The server accepts only its own tokens, JSON Web Tokens, and tokens that its backend accepts."
	for _, text := range []string{deleted, key} {
		if got := who(a, text); got != unknown || asked.Load() != 0 {
			t.Errorf("%.3s…: %s, and the backend was asked %d times", text, got, asked.Load())
		}
	}
}

// TestRevokeForeign revokes JWTs and tokens of the backend.
func TestRevokeForeign(t *testing.T) {
	const revoked = "token_revoked: The token was revoked."
	token := hs256(object{"jti": "one"})
	for name, test := range map[string]struct {
		token string
		by    func(g *access.Grant) auth.Revocation
	}{
		"JWT by text":       {token, func(*access.Grant) auth.Revocation { return auth.Revocation{Token: token} }},
		"JWT by ID":         {token, func(g *access.Grant) auth.Revocation { return auth.Revocation{Token: g.TokenID} }},
		"JWT by user":       {token, func(*access.Grant) auth.Revocation { return auth.Revocation{User: "u1"} }},
		"JWT by time":       {token, func(*access.Grant) auth.Revocation { return auth.Revocation{IssuedBefore: time.Now()} }},
		"backend's by text": {"zebra", func(*access.Grant) auth.Revocation { return auth.Revocation{Token: "zebra"} }},
		"backend's by ID":   {"zebra", func(g *access.Grant) auth.Revocation { return auth.Revocation{Token: g.TokenID} }},
		"backend's by user": {"zebra", func(*access.Grant) auth.Revocation { return auth.Revocation{User: "u2"} }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a, _ := foreign(t, dir)
			g, err := a.Check(access.Credentials{Token: test.token})
			if err != nil {
				t.Fatal(err)
			}
			r := test.by(g)
			match, err := a.Revoke(r)
			if err != nil {
				t.Fatal(err)
			}
			if !match(g) {
				t.Error("the revocation does not match its sessions")
			}
			if got := who(a, test.token); got != revoked || a.Valid(g) == nil {
				t.Errorf("%s, Valid: %v", got, a.Valid(g))
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			b, _ := foreign(t, dir)
			after := revoked
			if name == "backend's by user" {
				after = "user u2" // the backend was asked again, and has to refuse by itself
			}
			if got := who(b, test.token); got != after {
				t.Errorf("after a restart: %s", got)
			}
			if ok, err := b.Unrevoke(r); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if got := who(b, test.token); got != "user "+g.User {
				t.Errorf("after the revocation was canceled: %s", got)
			}
		})
	}
}

// TestBackendCannotRestoreRevokedTokens: the backend is not asked about a provider's token that was revoked.
func TestBackendCannotRestoreRevokedTokens(t *testing.T) {
	a, asked := foreign(t, "")
	if err := a.Add("zebra"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(auth.Revocation{Token: "zebra"}); err != nil {
		t.Fatal(err)
	}
	if got := who(a, "zebra"); got != "token_revoked: The token was revoked." || asked.Load() != 0 {
		t.Errorf("%s, and the backend was asked %d times", got, asked.Load())
	}
	if ok, err := a.Unrevoke(auth.Revocation{Token: "zebra"}); !ok || err != nil {
		t.Error(ok, err)
	}
}
