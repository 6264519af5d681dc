package auth_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/golang-jwt/jwt/v5"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// halves are JSON strings that do not contain valid text: half of a surrogate pair, in every
// position, and bytes that are not UTF-8. encoding/json turns each into U+FFFD, so that many
// users become one.
var halves = []string{`ann \ud83d`, `\ude00 ann`, `\ud83d\ud83d\ude00`, `\ude00\ud83d`, `\ud83dx\ude00`, `\uD83D\u0041`, "ann \xff", "ann \xed\xa0\xbd", `\ud83d\n`}

// TestNoTextInClaims: a JWT or a backend's answer with such a text in any place is refused, and
// a pair of halves is one character.
func TestNoTextInClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJWT(t, auth.JWTOptions{Keys: []string{"hs256:" + file(t, []byte(secret))}})
		sign := func(header, sub, more string) error {
			claims := fmt.Sprintf(`{"sub":"%s","exp":%d,"boreas":[]%s}`, sub, 2_000_000_000, more)
			_, err := j.Check(access.Credentials{Token: mint(jwt.SigningMethodHS256, []byte(secret), header, claims)})
			return err
		}
		const plain = `{"alg":"HS256"}`
		if err := sign(plain, `ann \ud83d\ude00`, ""); err != nil {
			t.Errorf("a pair: %v", err)
		}
		i := &network{}
		b := newBackend(t, i, auth.BackendOptions{})
		for n, half := range halves {
			for name, err := range map[string]error{
				"user":            sign(plain, half, ""),
				"jti":             sign(plain, "ann", `,"jti":"`+half+`"`),
				"some claim":      sign(plain, "ann", `,"x":["`+half+`"]`),
				"a claim's name":  sign(plain, "ann", `,"`+half+`":1`),
				"in the header":   sign(`{"alg":"HS256","x":"`+half+`"}`, "ann", ""),
				"the key's name":  sign(`{"alg":"HS256","kid":"`+half+`"}`, "ann", ""),
				"in its own list": sign(plain, "ann", `,"aud":["`+half+`"]`),
			} {
				if code(err) != "invalid_token" {
					t.Errorf("%q, %s: %v", half, name, err)
				}
			}
			for name, body := range map[string]string{
				"user":  `{"user":"` + half + `"}`,
				"rules": `{"user":"ann","rules":[{"channels":["` + half + `"],"allow":["join"]}]}`,
			} {
				i.set(says(200, body))
				if got := check(b, fmt.Sprint(name, n)); got != away {
					t.Errorf("%q, %s of the backend: %s", half, name, got)
				}
			}
		}
	})
}
