package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

const unknownAlg = "invalid_token: The token's algorithm (alg) is not one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA."

// forged are tokens that some servers accepted, or could accept. None may be accepted.
func forged() []struct{ attack, token, want string } {
	k := keys()
	hs := func(key []byte, header, claims any) string { return mint(jwt.SigningMethodHS256, key, header, claims) }
	good := hs256
	withHeader := func(header any) string { return hs([]byte(secret), header, issuer.Claims(nil)) }
	withClaims := func(text string) string { return hs([]byte(secret), object{"alg": "HS256"}, text) }
	rs := func(key any, header object) string {
		return mint(jwt.SigningMethodRS256, key, header, issuer.Claims(nil))
	}
	parts := strings.Split(good(nil), ".")
	unsigned := func(alg, signature string) string {
		return issuer.Encode(issuer.JSON(object{"alg": alg})) + "." + parts[1] + "." + signature
	}
	rules := func(v any) string { return good(object{"boreas": v}) }
	now := time.Now()
	longKid := strings.Repeat("k", 256)
	end := now.Add(time.Hour).Unix()
	const (
		wrong     = "invalid_token: The token's signature is wrong."
		notNumber = "invalid_token: The token's claim exp is not a number of seconds."
		notTime   = "invalid_token: The token's claim exp is not a valid number of seconds since 1970."
		badHeader = "invalid_token: The token's header is not a JSON object, or has a member twice."
		badClaims = "invalid_token: The token's claims are not a JSON object, or a claim occurs twice."
		badKid    = "invalid_token: The key (kid) in the token's header is not a string of 1 to 255 characters."
	)
	return []struct{ attack, token, want string }{
		// No signature (CVE-2015-9235, CVE-2016-10555, CVE-2018-1000531, CVE-2020-15957).
		{"alg none", unsigned("none", ""), "invalid_token: The token is not signed: its algorithm is none."},
		{"alg none with a signature", unsigned("none", parts[2]), "invalid_token: The token is not signed: its algorithm is none."},
		{"alg nOnE, which a list of names lets through", unsigned("nOnE", ""), "invalid_token: The token is not signed: its algorithm is none."},
		{"alg empty", unsigned("", ""), unknownAlg},
		{"alg missing", withHeader(object{"typ": "JWT"}), unknownAlg},
		{"alg null", withHeader(object{"alg": nil}), unknownAlg},
		{"alg a list", withHeader(`{"alg":["HS256"]}`), unknownAlg},
		{"alg in small letters", withHeader(object{"alg": "hs256"}), unknownAlg},
		{"alg that nobody knows, taken for no check", unsigned("XS256", "AAAA"), unknownAlg},
		{"the signature left out (CVE-2020-28042)", unsigned("HS256", ""), wrong},
		{"the signature cut short", parts[0] + "." + parts[1] + "." + parts[2][:8], wrong},
		{"the signature's part left out", parts[0] + "." + parts[1], "invalid_token: The token is not a JWT: it does not have three parts separated by dots."},
		{"other claims under the signature", parts[0] + "." + issuer.Encode(issuer.JSON(issuer.Claims(object{"sub": "admin"}))) + "." + parts[2], wrong},
		{"another header under the signature", issuer.Encode(issuer.JSON(object{"alg": "HS256", "kid": "x"})) + "." + parts[1] + "." + parts[2], wrong},

		// An algorithm that the key is not for (CVE-2015-9235, CVE-2016-5431,
		// CVE-2023-48238, CVE-2024-54150, CVE-2026-22818).
		{"HS256 with a public key, as PEM", hs(pemOf(&k.rsa.PublicKey), object{"alg": "HS256", "kid": "rsa"}, issuer.Claims(nil)), wrong},
		{"HS256 with a public key, without a kid", hs(pemOf(&k.rsa.PublicKey), object{"alg": "HS256"}, issuer.Claims(nil)), wrong},
		{"HS256 with a public key, as bytes", hs(k.rsa.PublicKey.N.Bytes(), object{"alg": "HS256"}, issuer.Claims(nil)), wrong},
		{"HS256 with a key of a curve", hs(must(k.p256.PublicKey.Bytes()), object{"alg": "HS256", "kid": "256"}, issuer.Claims(nil)), wrong},
		{"HS384 with the secret for HS256", mint(jwt.SigningMethodHS384, []byte(secret), object{"alg": "HS384"}, issuer.Claims(nil)), "invalid_token: No key of jwt_keys is for the token's algorithm, HS384."},
		{"RS256 with a key whose alg is PS256", rs(k.other, object{"alg": "RS256", "kid": "ps"}), "invalid_token: The key that the token names (kid) is not for its algorithm, RS256."},
		{"ES256 by the kid of an RSA key", mint(jwt.SigningMethodES256, k.p256, object{"alg": "ES256", "kid": "rsa"}, issuer.Claims(nil)), "invalid_token: The key that the token names (kid) is not for its algorithm, ES256."},
		{"EdDSA by the kid of an ECDSA key", mint(jwt.SigningMethodEdDSA, k.ed, object{"alg": "EdDSA", "kid": "256"}, issuer.Claims(nil)), "invalid_token: The key that the token names (kid) is not for its algorithm, EdDSA."},
		{"RS256 said, PS256 signed", mint(jwt.SigningMethodPS256, k.rsa, object{"alg": "RS256", "kid": "rsa"}, issuer.Claims(nil)), wrong},
		{"ES384 said, and a key of P-256", unsignedBy(k, "ES384", "256", issuer.Claims(nil)), "invalid_token: The key that the token names (kid) is not for its algorithm, ES384."},

		// Invalid signatures (CVE-2022-21449).
		{"ES256, r and s are 0", es256(k, make([]byte, 64)), wrong},
		{"ES256, the signature as ASN.1", es256(k, []byte("\x30\x06\x02\x01\x01\x02\x01\x01")), wrong},
		{"ES256, a signature of P-384's size", es256(k, make([]byte, 96)), wrong},
		{"ES256, r and s are the order", es256(k, append(k.p256.Params().N.Bytes(), k.p256.Params().N.Bytes()...)), wrong},
		{"HS256 with an empty secret", hs([]byte{}, object{"alg": "HS256"}, issuer.Claims(nil)), wrong},
		{"HS256 with a known secret (CVE-2023-51442)", hs([]byte("not so secret"), object{"alg": "HS256"}, issuer.Claims(nil)), wrong},

		// A key that the token contains (CVE-2018-0114, CVE-2024-21643) or names.
		{"jwk", rs(k.small, object{"alg": "RS256", "jwk": issuer.JWK("rsa", &k.small.PublicKey, nil)}), wrong},
		{"jwk with the kid of a good key", rs(k.small, object{"alg": "RS256", "kid": "rsa", "jwk": issuer.JWK("rsa", &k.small.PublicKey, nil)}), wrong},
		{"jku and x5u", rs(k.small, object{"alg": "RS256", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/c"}), wrong},
		{"x5c", rs(k.small, object{"alg": "RS256", "x5c": []string{"MIIB"}}), wrong},
		{"kid that is a path", hs([]byte{}, object{"alg": "HS256", "kid": "../../dev/null"}, issuer.Claims(nil)), wrong},
		{"kid that is SQL", rs(k.small, object{"alg": "RS256", "kid": "' UNION SELECT 'x"}), "invalid_token: The token names a key (kid) that is not among those of jwt_keys."},
		{"kid that is a number", withHeader(object{"alg": "HS256", "kid": 1}), badKid},
		{"kid that is empty", withHeader(object{"alg": "HS256", "kid": ""}), badKid},
		{"kid with a line break", withHeader(object{"alg": "HS256", "kid": "a\nb"}), badKid},
		{"kid that is long", withHeader(object{"alg": "HS256", "kid": longKid}), badKid},
		{"kid of another key, signed with the right one", rs(k.other, object{"alg": "RS256", "kid": "rsa"}), wrong},

		// Headers that change how the token has to be read (CVE-2025-59420, CVE-2023-51774,
		// CVE-2024-28180, CVE-2026-29000).
		{"crit", withHeader(object{"alg": "HS256", "crit": []string{"x"}, "x": 1}), "invalid_token: The token's header has the member crit: the server does not accept such tokens."},
		{"crit that is empty", withHeader(object{"alg": "HS256", "crit": []string{}}), "invalid_token: The token's header has the member crit: the server does not accept such tokens."},
		{"b64 false", withHeader(object{"alg": "HS256", "b64": false}), "invalid_token: The token's header has the member b64: the server does not accept such tokens."},
		{"zip", withHeader(object{"alg": "HS256", "zip": "DEF"}), "invalid_token: The token's header has the member zip: the server does not accept such tokens."},
		{"a token in a token", hs([]byte(secret), object{"alg": "HS256", "cty": "JWT"}, `"`+good(nil)+`"`), "invalid_token: The token's header has the member cty: the server does not accept such tokens."},
		{"a token in a token that does not say so", withClaims(`"` + good(nil) + `"`), badClaims},
		{"an encrypted token", "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA", "invalid_token: The token is encrypted (JWE): the server accepts only signed tokens (JWS)."},
		{"an encrypted one that is disguised", withHeader(object{"alg": "HS256", "enc": "A128GCM"}), "invalid_token: The token's header has the member enc: the server does not accept such tokens."},
		{"a logout token", withHeader(object{"alg": "HS256", "typ": "logout+jwt"}), "invalid_token: The type (typ) in the token's header is neither JWT nor at+jwt."},
		{"typ that is a number", withHeader(object{"alg": "HS256", "typ": 1}), "invalid_token: The type (typ) in the token's header is neither JWT nor at+jwt."},

		// Text that can be read in two ways (CVE-2022-39227), or takes too long to read
		// (CVE-2025-30204, CVE-2025-27144).
		{"the JSON form, with a header that is not signed", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","header":{"alg":"none"},"signature":"` + parts[2] + `"}`, "invalid_token: The token is not a JWT: it does not have three parts separated by dots."},
		{"a token of dots", strings.Repeat(".", 8192), "invalid_token: The token is not a JWT: it does not have three parts separated by dots."},
		{"too long", parts[0] + "." + strings.Repeat("A", 8192) + ".", "invalid_token: The token has " + "8214" + " bytes, more than 8192."},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "=", "invalid_token: The token is not a JWT: its part 3 is not base64url without padding."},
		{"the alphabet of base64", parts[0] + "." + parts[1] + ".+" + parts[2][1:], "invalid_token: The token is not a JWT: its part 3 is not base64url without padding."},
		{"a line break, which decoders skip", parts[0] + "." + parts[1] + ".\n" + parts[2], "invalid_token: The token is not a JWT: its part 3 is not base64url without padding."},
		{"changed padding bits", parts[0] + "." + parts[1] + "." + flipLast(parts[2]), "invalid_token: The token is not a JWT: its part 3 is not base64url without padding."},
		{"alg twice", withHeader(`{"alg":"HS256","alg":"none"}`), badHeader},
		{"something behind the header", withHeader(`{"alg":"HS256"} {}`), badHeader},
		{"a header that is a list", withHeader(`["HS256"]`), badHeader},
		{"sub twice", withClaims(`{"sub":"u1","sub":"admin","boreas":[],"exp":9999999999}`), badClaims},
		{"a claim twice further in", withClaims(`{"sub":"u1","boreas":[],"exp":9999999999,"a":{"b":1,"b":2}}`), badClaims},
		{"claims that are not UTF-8", withClaims("{\"sub\":\"u\xff\",\"boreas\":[],\"exp\":9999999999}"), badClaims},
		{"claims that are deep", withClaims(`{"a":` + strings.Repeat("[", 4000)), badClaims},
		{"claims in capital letters", withClaims(`{"SUB":"u1","EXP":9999999999,"BOREAS":[]}`), "invalid_token: The token has no expiry (exp), which is required."},

		// Times.
		{"expired and forged, and so told to be forged (CVE-2024-51744)", hs([]byte("guess"), object{"alg": "HS256"}, issuer.Claims(object{"exp": 1})), wrong},
		{"no exp", good(object{"exp": nil}), "invalid_token: The token has no expiry (exp), which is required."},
		{"exp null", withClaims(`{"sub":"u1","boreas":[],"exp":null}`), notNumber},
		{"exp as a string", good(object{"exp": "9999999999"}), notNumber},
		{"exp in the past", good(object{"exp": now.Unix() - 1}), "token_expired: The token has expired (exp)."},
		{"exp 0, which is not the same as none", good(object{"exp": 0}), "token_expired: The token has expired (exp)."},
		{"exp as a fraction in the past", good(object{"exp": float64(now.Unix()) - 0.5}), "token_expired: The token has expired (exp)."},
		{"exp that overflows", withClaims(`{"sub":"u1","boreas":[],"exp":1e300}`), notTime},
		{"exp that is too large for a float", withClaims(`{"sub":"u1","boreas":[],"exp":1e999}`), notTime},
		{"exp in milliseconds", good(object{"exp": end * 1000}), notTime},
		{"exp below 0", good(object{"exp": -1}), notTime},
		{"nbf in the future", good(object{"nbf": now.Unix() + 60}), "invalid_token: The token is not valid yet (nbf). If it should be, compare the clocks; the server's option is jwt_leeway."},
		{"nbf as a string", good(object{"nbf": "0"}), "invalid_token: The token's claim nbf is not a number of seconds."},
		{"iat in the future, beyond revocation", good(object{"iat": now.Unix() + 60}), "invalid_token: The token was issued in the future (iat). Compare the clocks; the server's option is jwt_leeway."},
		{"iat as a list", good(object{"iat": []int{1}}), "invalid_token: The token's claim iat is not a number of seconds."},
		{"jti as a number", good(object{"jti": 7}), "invalid_token: The token's ID (jti) is not a string."},

		// Issuer and audience (CVE-2024-53861, CVE-2025-30144, CVE-2020-26160).
		{"iss missing", good(object{"iss": nil}), "invalid_token: The token names no issuer (iss), and jwt_issuer requires one."},
		{"iss of another", good(object{"iss": "https://issuer.example.evil"}), "invalid_token: The token's issuer (iss) is not the one that jwt_issuer names."},
		{"iss that is a part", good(object{"iss": "https://issuer"}), "invalid_token: The token's issuer (iss) is not the one that jwt_issuer names."},
		{"iss in a list", good(object{"iss": []string{"https://issuer.example", "https://evil.example"}}), "invalid_token: The token's issuer (iss) is not a string."},
		{"aud missing", good(object{"aud": nil}), "invalid_token: The token names no audience (aud), and jwt_audience requires one."},
		{"aud empty", good(object{"aud": []string{}}), "invalid_token: The token's audience (aud) is not the one that jwt_audience names."},
		{"aud of another", good(object{"aud": "boreas2"}), "invalid_token: The token's audience (aud) is not the one that jwt_audience names."},
		{"aud in an object", good(object{"aud": object{"boreas": 1}}), "invalid_token: The token's audience (aud) is neither a string nor a list of strings."},
		{"aud in a mixed list", good(object{"aud": []any{"boreas", 1}}), "invalid_token: The token's audience (aud) is neither a string nor a list of strings."},
		{"no user", good(object{"sub": nil}), "invalid_token: The token names no user: its claim sub is missing, or is not a string."},
		{"a user that is a number", good(object{"sub": 1}), "invalid_token: The token names no user: its claim sub is missing, or is not a string."},
		{"a user that is empty", good(object{"sub": ""}), "invalid_token: The token's claim sub names no user: the user's name is empty."},
		{"a user with a control character", good(object{"sub": "a\x00b"}), "invalid_token: The token's claim sub names no user: the user's name has a control character, U+0000, at byte 1."},

		// Rules.
		{"no rules", good(object{"boreas": nil}), "invalid_token: The token has no rules, so it allows nothing: the claim boreas is missing, and jwt_default_rules is empty."},
		{"rules null, which is everything elsewhere", withClaims(`{"iss":"https://issuer.example","aud":"boreas","sub":"u1","exp":9999999999,"boreas":null}`), "invalid_token: The token's claim boreas is neither a list of rules nor an object with one."},
		{"rules in a string", rules(`[]`), "invalid_token: The token's claim boreas is neither a list of rules nor an object with one."},
		{"rules null in an object", rules(object{"rules": nil}), "invalid_token: The token's claim boreas is neither a list of rules nor an object with one."},
		{"rules and something else", rules(object{"rules": []int{}, "deny": []int{}}), "invalid_token: The token's claim boreas is an object with a member other than rules."},
		{"a misspelt deny", rules([]object{{"channels": []string{"**"}, "allow": []string{"join"}, "denny": []string{"publish"}}}), `invalid_token: The token's claim boreas is not valid: rule 1: there is no member "denny": the members are channels, allow, deny.`},
	}
}

func TestForgedJWTs(t *testing.T) {
	k := keys()
	set := jwks(
		issuer.JWK("rsa", &k.rsa.PublicKey, nil), issuer.JWK("ps", &k.other.PublicKey, object{"alg": "PS256"}),
		issuer.JWK("256", &k.p256.PublicKey, nil),
	)
	o := ofSecret(t)
	o.Keys = append(o.Keys, "file:"+file(t, []byte(set)))
	o.Issuer, o.Audience = "https://issuer.example", "boreas"
	j := newJWT(t, o)
	for _, c := range forged() {
		if got := check(j, c.token); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.attack, got, c.want)
		}
	}
	// The table only proves something if the unchanged tokens are valid.
	if got := check(j, hs256(nil)); got != "user u1" {
		t.Errorf("the unchanged token: %s", got)
	}
}

// TestPublicKeyAsSecret: without a configured secret, no token with a symmetric signature is valid.
func TestPublicKeyAsSecret(t *testing.T) {
	k := keys()
	j := newJWT(t, auth.JWTOptions{Keys: []string{"file:" + file(t, []byte(jwks(issuer.JWK("rsa", &k.rsa.PublicKey, nil))))}})
	for _, secret := range [][]byte{pemOf(&k.rsa.PublicKey), k.rsa.PublicKey.N.Bytes(), nil} {
		for kid, want := range map[string]string{
			"rsa": "invalid_token: The key that the token names (kid) is not for its algorithm, HS256.",
			"x":   "invalid_token: No key of jwt_keys is for the token's algorithm, HS256.",
		} {
			if got := check(j, mint(jwt.SigningMethodHS256, secret, object{"alg": "HS256", "kid": kid}, issuer.Claims(nil))); got != want {
				t.Errorf("kid %s: got %q, want %q", kid, got, want)
			}
		}
	}
}

// TestSameKidTwice: keys of two sources may have the same name, and each only verifies its own
// algorithms (GHSA-g6vg-wj8f-48cj).
func TestSameKidTwice(t *testing.T) {
	k := keys()
	set := func(public object) string { return "file:" + file(t, []byte(jwks(public))) }
	j := newJWT(t, auth.JWTOptions{Keys: []string{set(issuer.JWK("1", &k.rsa.PublicKey, nil)), set(issuer.JWK("1", &k.other.PublicKey, nil)), set(issuer.JWK("2", &k.p256.PublicKey, nil))}})
	for _, c := range []struct {
		key  any
		want string
	}{{k.rsa, "user u1"}, {k.other, "user u1"}, {k.small, "invalid_token: The token's signature is wrong."}} {
		if got := check(j, mint(jwt.SigningMethodRS256, c.key, object{"alg": "RS256", "kid": "1"}, issuer.Claims(nil))); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestManyKeys: the server must not compute a hundred signatures for one token.
func TestManyKeys(t *testing.T) {
	k := keys()
	var list []byte
	for range 17 {
		list = append(list, pemOf(&k.p256.PublicKey)...)
	}
	j := newJWT(t, auth.JWTOptions{Keys: []string{"file:" + file(t, list)}})
	want := "invalid_token: More than 16 keys could have signed the token: it must name its key (kid)."
	if got := check(j, mint(jwt.SigningMethodES256, k.p256, object{"alg": "ES256"}, issuer.Claims(nil))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestJWTLeeway: a token is valid although its issuer's clock is a little ahead.
func TestJWTLeeway(t *testing.T) {
	o := ofSecret(t)
	o.Leeway = time.Minute
	j := newJWT(t, o)
	ahead := time.Now().Add(50 * time.Second).Unix()
	if got := check(j, hs256(object{"nbf": ahead, "iat": ahead})); got != "user u1" {
		t.Errorf("got %q", got)
	}
}

// unsignedBy returns a token that names a key and has a signature of zeros.
func unsignedBy(_ signers, alg, kid string, claims object) string {
	return issuer.Encode(issuer.JSON(object{"alg": alg, "kid": kid})) + "." + issuer.Encode(issuer.JSON(claims)) + "." + issuer.Encode(make([]byte, 96))
}

func es256(_ signers, signature []byte) string {
	return issuer.Encode(issuer.JSON(object{"alg": "ES256", "kid": "256"})) + "." + issuer.Encode(issuer.JSON(issuer.Claims(nil))) + "." + issuer.Encode(signature)
}

// flipLast changes the last bit of a text in base64, which is padding.
func flipLast(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[i^1])
}
