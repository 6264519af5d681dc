package auth_test

import (
	"fmt"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// TestExpensiveChecksCanBeBounded: a caller can bound the checks that need a signature's verification or a
// request to the backend. Look-ups are not bounded: a valid token never waits because of other
// clients' tokens.
func TestExpensiveChecksCanBeBounded(t *testing.T) {
	i := &network{}
	i.set(says(200, `{"user":"u1","ttl":60}`))
	a := openWith(t, auth.Options{
		JWT:     newJWT(t, auth.JWTOptions{Keys: []string{"hs256:" + file(t, []byte(secret))}}),
		Backend: newBackend(t, i, auth.BackendOptions{}),
	})
	opaque, _, err := a.CreateToken(auth.Token{User: "u1"})
	if err != nil {
		t.Fatal(err)
	}
	classic, err := a.Mint("")
	if err != nil {
		t.Fatal(err)
	}
	signed := mint(jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256"}`, issuer.Claims(nil))
	if _, err := a.Check(access.Credentials{Token: "asked before"}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, token := range map[string]string{
		"opaque": opaque, "classic": classic, "opaque, unknown": "bt_x", "key": "bk_x", "no JWT": "eyJ.x.y",
		"JWT": signed, "JWT, forged": signed[:len(signed)-4] + "AAAA", "backend's": "new", "backend's, asked before": "asked before",
	} {
		costs, left := 0, 0
		_, err := a.Check(access.Credentials{Token: token, Costs: func(func(func())) (func(), error) {
			costs++
			return func() { left++ }, nil
		}})
		got[name] = fmt.Sprint(costs, left, " ", code(err))
		refused := fmt.Errorf("refused")
		if _, err := a.Check(access.Credentials{Token: token + "2", Costs: func(func(func())) (func(), error) { return nil, refused }}); costs > 0 && err != refused {
			t.Errorf("%s: checked although it was refused: %v", name, err)
		}
	}
	want := map[string]string{
		"opaque": "0 0 ", "classic": "0 0 ", "opaque, unknown": "0 0 invalid_token", "key": "0 0 invalid_token", "no JWT": "0 0 invalid_token",
		"JWT": "1 1 ", "JWT, forged": "1 1 invalid_token", "backend's": "1 1 ", "backend's, asked before": "0 0 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
