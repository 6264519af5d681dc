package auth_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// This file is about tokens and answers that are under way when something is revoked.

// TestRevokedUnderWay revokes while the backend's answer is under way. The answer admits neither
// the client for which the server asked, nor a client that waits for the same answer, nor a
// later client that gets it from the cache.
func TestRevokedUnderWay(t *testing.T) {
	for name, revocation := range map[string]func() auth.Revocation{
		"user":         func() auth.Revocation { return auth.Revocation{User: "u1"} },
		"token":        func() auth.Revocation { return auth.Revocation{Token: "token"} },
		"all":          func() auth.Revocation { return auth.Revocation{IssuedBefore: time.Now()} },
		"user by time": func() auth.Revocation { return auth.Revocation{User: "u1", IssuedBefore: time.Now()} },
	} {
		for _, body := range []string{`{"user":"u1"}`, `{"user":"u1","ttl":3600}`} {
			t.Run(name+" "+body, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					i := &network{}
					i.set(func(r *http.Request) (*http.Response, error) {
						response, err := says(200, body)(r)
						time.Sleep(time.Second) // the answer is under way
						return response, err
					})
					b := newBackend(t, i, auth.BackendOptions{})
					a := openWith(t, auth.Options{Backend: b})
					outcomes := make(chan string, 2)
					check := func() {
						g, err := a.Check(access.Credentials{Token: "token"})
						outcomes <- verdictOf(a, g, err)
					}
					go check()
					time.Sleep(100 * time.Millisecond)
					go check()
					time.Sleep(100 * time.Millisecond)
					if _, err := a.Revoke(revocation()); err != nil {
						t.Fatal(err)
					}
					got := []string{<-outcomes, <-outcomes}
					check()
					if diff := cmp.Diff([]string{"token_revoked", "token_revoked", "token_revoked"}, append(got, <-outcomes)); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					// A later request to the backend admits the user again, unless the token itself was
					// revoked.
					time.Sleep(2 * time.Hour)
					check()
					want := "valid"
					if name == "token" {
						want = "token_revoked"
					}
					if got := <-outcomes; got != want {
						t.Errorf("afterwards: %s, want %s", got, want)
					}
				})
			})
		}
	}
}

// TestAnswerIsValidFromTheRequest: a slow answer is not valid for longer.
func TestAnswerIsValidFromTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &network{}
		i.set(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return says(200, `{"user":"u1","ttl":60}`)(r)
		})
		b, start := newBackend(t, i, auth.BackendOptions{}), time.Now()
		g, err := b.Check(access.Credentials{Token: "token"})
		if err != nil || !g.Issued.Equal(start) || !g.Expires.Equal(start.Add(time.Minute)) {
			t.Errorf("%v: asked at %v: %+v", err, start, g)
		}
	})
}

// TestIssuerIsAhead: the clock of an issuer may be ahead by the leeway. A revocation revokes the
// tokens that were issued before it, but not those issued more than the leeway after it.
func TestIssuerIsAhead(t *testing.T) {
	const leeway = 20 * time.Second
	for _, ahead := range []time.Duration{0, 5 * time.Second, leeway} {
		for name, revocation := range map[string]func() auth.Revocation{
			"user":         func() auth.Revocation { return auth.Revocation{User: "u1"} },
			"user by time": func() auth.Revocation { return auth.Revocation{User: "u1", IssuedBefore: time.Now()} },
			"all":          func() auth.Revocation { return auth.Revocation{IssuedBefore: time.Now()} },
		} {
			t.Run(fmt.Sprint(name, " ", ahead), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					j := newJWT(t, auth.JWTOptions{Keys: []string{"hs256:" + file(t, []byte(secret))}, Leeway: leeway})
					a := openWith(t, auth.Options{JWT: j, DataDir: t.TempDir()})
					issue := func() string {
						now := time.Now().Add(ahead)
						return mint(jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256"}`, issuer.Claims(object{
							"sub": "u1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
						}))
					}
					shown, unseen := issue(), issue()
					held, err := a.Check(access.Credentials{Token: shown})
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Millisecond)
					match, err := a.Revoke(revocation())
					if err != nil {
						t.Fatal(err)
					}
					check := func(token string) string {
						g, err := a.Check(access.Credentials{Token: token})
						return verdictOf(a, g, err)
					}
					if !match(held) || code(a.Valid(held)) != "token_revoked" {
						t.Error("the revocation does not match its sessions")
					}
					time.Sleep(leeway + time.Second)
					later := issue()
					if diff := cmp.Diff([]string{"token_revoked", "token_revoked", "valid"}, []string{check(shown), check(unseen), check(later)}); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

func openWith(t *testing.T, o auth.Options) *auth.Authority {
	t.Helper()
	a, err := auth.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func code(err error) string {
	if f := fault.Of(err); f != nil {
		return f.Code
	}
	return ""
}

// verdictOf returns the outcome of a check, and of the second one once the session exists.
func verdictOf(a *auth.Authority, g *access.Grant, err error) string {
	if err == nil {
		err = a.Valid(g)
	}
	if err == nil {
		return "valid"
	}
	return code(err)
}
