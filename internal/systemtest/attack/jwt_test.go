package attack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// byJWT are attacks with JSON Web Tokens on the whole server. The tests of package auth check that
// each is refused for the right reason.
var byJWT = []attack{
	// An unsigned token (CVE-2015-9235).
	{"alg none", func(a *attacker) string {
		good := a.signed(nil)
		parts := strings.Split(good, ".")
		got := []string{issuer.Encode(issuer.JSON(object{"alg": "none"})) + "." + parts[1] + "."}
		for _, alg := range []string{"None", "nOnE", "NONE", "", "HS0"} {
			got = append(got, issuer.Encode(issuer.JSON(object{"alg": alg}))+"."+parts[1]+"."+parts[2])
		}
		return a.shows(append(got, parts[0]+"."+parts[1]+".", parts[0]+"."+parts[1])...) + "; the good one: " + a.shows(good)
	}, "8 x invalid_token; the good one: ok"},
	// The public key as an HMAC secret (CVE-2016-5431, CVE-2024-54150).
	{"HS256 with the public key", func(a *attacker) string {
		var set struct{ Keys []struct{ X, Y string } }
		json.Unmarshal(a.Issuer.JWKS, &set) //nolint:errcheck // it is this test's own
		header := object{"alg": "HS256", "kid": issuer.ES256Key}
		return a.shows(
			issuer.HS256(a.Issuer.JWKS, header, claims(nil)), issuer.HS256([]byte(set.Keys[0].X), header, claims(nil)),
			issuer.HS256([]byte(set.Keys[0].X+set.Keys[0].Y), header, claims(nil)), issuer.HS256(nil, header, claims(nil)))
	}, "4 x invalid_token"},
	// A key ID that is a path, a query or a command (CVE-2018-0114's kin, CWE-22, CWE-89).
	{"kids that are paths and queries", func(a *attacker) string {
		var tokens []string
		for _, kid := range []string{"../../../../dev/null", "/proc/sys/kernel/randomize_va_space", "x' UNION SELECT 'AAAA", "|sleep 10", "http://evil.example/key", strings.Repeat("k", 5000), "\x00"} {
			tokens = append(tokens, issuer.HS256(nil, object{"alg": "HS256", "kid": kid}, claims(nil)), issuer.HS256([]byte("0\n"), object{"alg": "HS256", "kid": kid}, claims(nil)))
		}
		return a.shows(tokens...)
	}, "14 x invalid_token"},
	// A token that contains its own key, or a URL of the key (CVE-2018-0114; SSRF, CWE-918): the
	// server must not send a request.
	{"jku, x5u and jwk", func(a *attacker) string {
		var asked atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		defer server.Close()
		evil := server.URL
		var tokens []string
		for _, header := range []object{
			{"alg": "HS256", "jku": evil},
			{"alg": "ES256", "jku": evil, "kid": "evil"},
			{"alg": "RS256", "x5u": evil},
			{"alg": "HS256", "jwk": object{"kty": "oct", "k": issuer.Encode(make([]byte, 32))}},
			{"alg": "HS256", "x5c": []string{"AAAA"}},
		} {
			tokens = append(tokens, issuer.HS256(make([]byte, 32), header, claims(object{"iss": evil})))
		}
		return fmt.Sprintf("%s; %d requests have left", a.shows(tokens...), asked.Load())
	}, "5 x invalid_token; 0 requests have left"},
	// Critical extensions (RFC 7515, 4.1.11), and unencoded payloads (RFC 7797).
	{"crit and b64", func(a *attacker) string {
		return a.shows(issuer.HS256(a.Issuer.Secret, object{"alg": "HS256", "crit": []string{"exp"}}, claims(nil)),
			issuer.HS256(a.Issuer.Secret, object{"alg": "HS256", "b64": false, "crit": []string{"b64"}}, claims(nil)))
	}, "2 x invalid_token"},
	// Encrypted and nested tokens, with expensive key derivation or inflation (CVE-2024-28122,
	// CVE-2023-50658).
	{"encrypted tokens", func(a *attacker) string {
		header := issuer.Encode(issuer.JSON(object{"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_000_000_000, "zip": "DEF"}))
		return a.shows(header+".AAAA.AAAA.AAAA.AAAA", header+".AAAA.AAAA")
	}, "2 x invalid_token"},
	// Tokens as large as a message, and tokens of dots only (CVE-2025-30204).
	{"huge tokens", func(a *attacker) string {
		return a.shows(a.signed(object{"x": strings.Repeat("x", 40_000)}), "eyJ"+strings.Repeat(".", 50_000), "eyJ."+strings.Repeat("A", 50_000)+".A")
	}, "3 x invalid_token"},
	// Times: expired, not yet valid, missing, huge, text, not a number.
	{"invalid times", func(a *attacker) string {
		now := time.Now()
		return a.shows(a.signed(object{"exp": now.Add(-time.Second).Unix()}), a.signed(object{"exp": nil}), a.signed(object{"exp": "9999999999"}),
			a.signed(object{"exp": 1e300}), a.signed(object{"exp": -1}), a.signed(object{"nbf": now.Add(time.Hour).Unix()}), a.signed(object{"iat": now.Add(time.Hour).Unix()}))
	}, "6 x invalid_token, token_expired"},
	// Tokens of another issuer, for another audience, without an issuer.
	{"another issuer or audience", func(a *attacker) string {
		return a.shows(a.signed(object{"aud": "other"}), a.signed(object{"aud": []string{"other", "boreas.evil"}}), a.signed(object{"aud": nil}), a.signed(object{"aud": []any{1}}),
			a.signed(object{"iss": "https://evil.example"}), a.signed(object{"iss": nil}), a.signed(object{"sub": nil}), a.signed(object{"sub": ""}), a.signed(object{"sub": "a\nb"}))
	}, "9 x invalid_token"},
	// Invalid rules, and an empty list of rules: such a token allows nothing.
	{"invalid rules", func(a *attacker) string {
		return a.shows(a.signed(object{"boreas": nil}), a.signed(object{"boreas": "all"}), a.signed(object{"boreas": []object{{"channels": []string{"**"}, "allow": []string{"everything"}}}}),
			a.signed(object{"boreas": []object{{"channels": []string{"**"}, "Allow": []string{"join"}}}}))
	}, "4 x invalid_token"},
	// A revoked token with the other valid signature: (r, n-s) is valid if (r, s) is, so the text
	// differs (ECDSA malleability).
	{"a revoked token with another signature", func(a *attacker) string {
		token, other := a.Issuer.ES256Twins(object{"alg": "ES256", "kid": issuer.ES256Key}, claims(nil))
		before := a.shows(token)
		a.Must("POST", "/v2/revocations", object{"token": token}, nil)
		return before + ", then " + a.shows(token) + ", the other: " + a.shows(other)
	}, "ok, then token_revoked, the other: token_revoked"},
	// The same token in another encoding: padding, blanks, bits without a meaning.
	{"a revoked token, encoded otherwise", func(a *attacker) string {
		token := a.signed(object{"sub": "other"})
		a.Must("POST", "/v2/revocations", object{"token": token}, nil)
		last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", token[len(token)-1])
		bits := token[:len(token)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1])
		return a.shows(token, token+"=", token+"\n", " "+token, bits, strings.ReplaceAll(token, ".", "=."))
	}, "5 x invalid_token, token_revoked"},
	// Hundreds of unknown key IDs: the server asks the issuer at a limited rate, not for each
	// (CVE-2022-29153's class).
	{"a flood of unknown kids", func(a *attacker) string {
		before := a.Issuer.Asked.Load()
		got := make(tally)
		for i := range 300 {
			token, _ := a.Issuer.ES256Twins(object{"alg": "ES256", "kid": fmt.Sprint("made-up-", i)}, claims(nil))
			l := a.open(i, "/v2")
			got.add(l.say(wstest.Text(`{"id":1,"auth":{"token":"` + token + `"}}`)).reply(1))
			l.Close()
		}
		return fmt.Sprintf("%s; the issuer was asked %s", got, atMost(a.Issuer.Asked.Load()-before, 3))
	}, "300 x invalid_token; the issuer was asked at most 3 times"},
}

// shows sends each token from its own address, and counts the outcomes.
func (a *attacker) shows(tokens ...string) string {
	got := make(tally)
	for i, token := range tokens {
		l := a.open(i, "/v2")
		got.add(l.say(wstest.Text(`{"id":1,"auth":` + encodeText(object{"token": token}) + `}`)).reply(1))
		l.Close()
	}
	return got.String()
}

// badIssuers configures one more issuer, which serves the attacks' responses.
func badIssuers(t testing.TB, c *config.Config) {
	hang := make(chan struct{})
	var once atomic.Bool
	evil.Store(&evilIssuer{release: func() {
		if !once.Swap(true) {
			close(hang)
		}
	}})
	e := evil.Load()
	t.Cleanup(e.release)
	elsewhere := issuer.Listen(t, func(http.ResponseWriter, *http.Request) { e.elsewhere.Add(1) }).URL
	slow := issuer.Listen(t, func(w http.ResponseWriter, r *http.Request) {
		e.slow.Add(1)
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}).URL
	huge := issuer.Listen(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"keys":[`)
		for i := 0; i < 1<<14 && r.Context().Err() == nil; i++ {
			if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
				break
			}
			e.huge.Add(4096)
		}
		e.hugeOver.Add(1)
	}).URL
	redirects := issuer.Listen(t, func(w http.ResponseWriter, r *http.Request) {
		e.redirects.Add(1)
		http.Redirect(w, r, elsewhere, http.StatusFound)
	}).URL
	loop := issuer.Listen(t, func(w http.ResponseWriter, r *http.Request) {
		e.loop.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	}).URL
	c.JWTKeys += " " + strings.Join([]string{slow, huge, redirects, loop}, " ")
}

// An evilIssuer counts the requests to each of its URLs.
type evilIssuer struct {
	slow, huge, hugeOver, redirects, loop, elsewhere atomic.Int64
	release                                          func()
}

var evil atomic.Pointer[evilIssuer]

// byIssuers are attacks by the servers from which the server fetches keys.
var byIssuers = []attack{
	// An issuer that never responds: only clients with tokens of this issuer wait, in a queue of
	// limited length.
	{"a JWKS that hangs", func(a *attacker) string {
		e := evil.Load()
		for e.slow.Load() == 0 && a.crowd.noticed() == "" {
			a.crowd.await(1)
		}
		good := a.shows(a.signed(nil))
		var all []*line
		for i := range 300 {
			token, _ := a.Issuer.ES256Twins(object{"alg": "ES256", "kid": "unknown"}, claims(nil))
			all = append(all, a.open(i, "/v2").say(wstest.Text(`{"id":1,"auth":{"token":"`+token+`"}}`)))
		}
		a.crowd.await(20)
		again := a.shows(a.signed(object{"sub": "ben"}))
		e.release()
		got := make(tally)
		for _, l := range all {
			got.add(l.reply(1))
		}
		return got.kinds() + "; meanwhile a good token: " + good + ", " + again
	}, "auth_unavailable; meanwhile a good token: ok, ok"},
	// An issuer that sends 64 MiB: the server stops reading at its limit.
	{"a JWKS that is huge", func(a *attacker) string {
		e := evil.Load()
		for e.hugeOver.Load() == 0 && a.crowd.noticed() == "" {
			a.crowd.await(1)
		}
		if n := e.huge.Load(); n > 16<<20 {
			return fmt.Sprintf("%d MiB were read", n>>20)
		}
		return "not read to the end"
	}, "not read to the end"},
	// An issuer that redirects the server to another host (SSRF, CWE-918), or in a loop.
	{"a JWKS that redirects", func(a *attacker) string {
		e := evil.Load()
		for (e.redirects.Load() == 0 || e.loop.Load() < 4) && a.crowd.noticed() == "" {
			a.crowd.await(1)
		}
		return fmt.Sprintf("%d requests went elsewhere", e.elsewhere.Load())
	}, "0 requests went elsewhere"},
}
