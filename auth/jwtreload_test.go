package auth_test

import (
	"os"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// TestReadKeys: the keys of a changed file replace the old ones. An invalid file changes nothing.
func TestReadKeys(t *testing.T) {
	first, second := strings.Repeat("a", 64), strings.Repeat("b", 64)
	path := file(t, []byte(first))
	j := newJWT(t, auth.JWTOptions{Keys: []string{"hs256:" + path}})
	wrong := "invalid_token: The token's signature is wrong."
	see := func(when, ofFirst, ofSecond string) {
		t.Helper()
		for secret, want := range map[string]string{first: ofFirst, second: ofSecond} {
			if got := check(j, mint(jwt.SigningMethodHS256, []byte(secret), object{"alg": "HS256"}, issuer.Claims(nil))); got != want {
				t.Errorf("%s: a token of %c: got %q, want %q", when, secret[0], got, want)
			}
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(second)
	see("before", "user u1", wrong)
	if err := j.ReadKeys(); err != nil {
		t.Fatal(err)
	}
	see("after", wrong, "user u1")
	write("short")
	if err := j.ReadKeys(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a short secret: %v", err)
	}
	see("after an error", wrong, "user u1")
}
