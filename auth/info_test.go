package auth_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/golang-jwt/jwt/v5"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// TestInfo: each kind of token can contain its user's info, which other clients see, in the same
// form and with the same limit.
func TestInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := `"` + strings.Repeat("x", boreas.MaxInfo) + `"`
		dir := t.TempDir()
		for text, want := range map[string]string{
			"": "", "null": "", `{ "name": "Ann" }`: `{"name":"Ann"}`, `"Ann"`: `"Ann"`, "[1, 2]": "[1,2]", large: "refused",
		} {
			i := &network{}
			member := ""
			if text != "" {
				member = `,"info":` + text
			}
			i.set(says(200, `{"user":"u1"`+member+`}`))
			a := openWith(t, auth.Options{
				DataDir: dir,
				JWT:     newJWT(t, auth.JWTOptions{Keys: []string{"hs256:" + file(t, []byte(secret))}}),
				Backend: newBackend(t, i, auth.BackendOptions{}),
			})
			outcome := func(token string) string {
				g, err := a.Check(access.Credentials{Token: token})
				if err != nil {
					return "refused"
				}
				return g.Info
			}
			claims := `{"sub":"u1","exp":2000000000,"boreas":[]` + member + `}`
			if got := outcome(mint(jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256"}`, claims)); got != want {
				t.Errorf("JWT with %.40q: %s, want %s", text, got, want)
			}
			if got := outcome("theirs"); got != want {
				t.Errorf("backend with %.40q: %s, want %s", text, got, want)
			}
			opaque, made, err := a.CreateToken(auth.Token{User: "u1", Info: text})
			if (err != nil) != (want == "refused") || made.Info != strings.ReplaceAll(want, "refused", "") {
				t.Errorf("opaque with %.40q: %q, %v", text, made.Info, err)
			}
			a.Close()
			a = openWith(t, auth.Options{DataDir: dir})
			if got := outcome(opaque); err == nil && got != want {
				t.Errorf("opaque with %.40q, after a restart: %s, want %s", text, got, want)
			}
			a.Close()
		}
	})
}

// TestInfoClaim: another claim can be configured, including a nested claim.
func TestInfoClaim(t *testing.T) {
	j := newJWT(t, auth.JWTOptions{Keys: []string{"hs256:" + file(t, []byte(secret))}, InfoClaim: "app.shown"})
	token := mint(jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256"}`, issuer.Claims(object{"info": object{"secret": 1}, "app": object{"shown": object{"name": "Ann"}}}))
	if g, err := j.Check(access.Credentials{Token: token}); err != nil || g.Info != `{"name":"Ann"}` {
		t.Errorf("%+v, %v", g, err)
	}
}
