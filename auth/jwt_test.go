package auth_test

import (
	"crypto"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

func TestJWTAlgorithms(t *testing.T) {
	k := keys()
	path := file(t, []byte(jwks(
		issuer.JWK("rsa", &k.rsa.PublicKey, nil), issuer.JWK("256", &k.p256.PublicKey, object{"alg": "ES256", "use": "sig"}),
		issuer.JWK("384", &k.p384.PublicKey, nil), issuer.JWK("521", &k.p521.PublicKey, object{"key_ops": []string{"verify"}}),
		issuer.JWK("ed", k.ed.Public(), object{"alg": "EdDSA"}), issuer.JWK("encryption", &k.other.PublicKey, object{"use": "enc"}),
	)))
	s := file(t, []byte(secret+"\r\n"))
	j := newJWT(t, auth.JWTOptions{Keys: []string{"hs256:" + s, "hs384:" + s, "hs512:" + s, "file:" + path}})
	for _, c := range []struct {
		alg, kid string
		method   jwt.SigningMethod
		key      any
	}{
		{"HS256", "", jwt.SigningMethodHS256, []byte(secret)},
		{"HS384", "x", jwt.SigningMethodHS384, []byte(secret)},
		{"HS512", "", jwt.SigningMethodHS512, []byte(secret)},
		{"RS256", "rsa", jwt.SigningMethodRS256, k.rsa},
		{"RS384", "", jwt.SigningMethodRS384, k.rsa},
		{"RS512", "rsa", jwt.SigningMethodRS512, k.rsa},
		{"PS256", "rsa", jwt.SigningMethodPS256, k.rsa},
		{"PS384", "rsa", jwt.SigningMethodPS384, k.rsa},
		{"PS512", "rsa", jwt.SigningMethodPS512, k.rsa},
		{"ES256", "256", jwt.SigningMethodES256, k.p256},
		{"ES384", "384", jwt.SigningMethodES384, k.p384},
		{"ES512", "521", jwt.SigningMethodES512, k.p521},
		{"EdDSA", "ed", jwt.SigningMethodEdDSA, k.ed},
		{"Ed25519", "ed", jwt.SigningMethodEdDSA, k.ed},
	} {
		header := object{"alg": c.alg, "typ": "JWT"}
		if c.kid != "" {
			header["kid"] = c.kid
		}
		token := mint(c.method, c.key, header, issuer.Claims(nil))
		if got := check(j, token); got != "user u1" || !j.Looks(token) {
			t.Errorf("%s: got %q, looks %v", c.alg, got, j.Looks(token))
		}
		forged := token[:strings.LastIndexByte(token, '.')+1] + issuer.Encode(make([]byte, 64))
		if got, want := check(j, forged), "invalid_token: The token's signature is wrong."; got != want {
			t.Errorf("%s, forged: got %q, want %q", c.alg, got, want)
		}
	}
}

func TestJWTFromPEM(t *testing.T) {
	k := keys()
	j := newJWT(t, auth.JWTOptions{Keys: []string{"file:" + file(t, append(append([]byte("\ufeff"), pemOf(&k.p256.PublicKey)...), pemOf(&k.rsa.PublicKey)...))}})
	for _, token := range []string{
		mint(jwt.SigningMethodES256, k.p256, object{"alg": "ES256", "kid": "any"}, issuer.Claims(nil)),
		mint(jwt.SigningMethodPS256, k.rsa, object{"alg": "PS256"}, issuer.Claims(nil)),
	} {
		if got := check(j, token); got != "user u1" {
			t.Errorf("got %q", got)
		}
	}
}

func TestJWTGrant(t *testing.T) {
	o := ofSecret(t)
	o.Issuer, o.Audience, o.UserClaim, o.RulesClaim = "https://issuer.example", "boreas", "https://x.example/user", "app.realtime"
	j := newJWT(t, o)
	now := time.Now().Truncate(time.Second)
	token := mint(jwt.SigningMethodHS256, []byte(secret), object{"alg": "HS256", "kid": "2026"}, issuer.Claims(object{
		"iss": o.Issuer, "aud": []string{"other", "boreas"}, "jti": "7", "sub": nil, "boreas": nil,
		"https://x.example/user": "ann*",
		"app": object{"realtime": object{"rules": []object{
			{"channels": []string{"user.{user}", "news"}, "allow": []string{"join", "history"}},
		}}},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": float64(now.Unix()) + 100.5,
	}))
	got, err := j.Check(access.Credentials{Token: token, Slow: func(func()) { t.Error("Check called Slow") }})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Permissions.Decide(access.VerbJoin, "user.ann*").Allowed || got.Permissions.Decide(access.VerbJoin, "user.anna").Allowed {
		t.Error("{user} is not the user")
	}
	want := &access.Grant{
		Identity: auth.JWTID(token), TokenID: auth.JWTID(token), Kind: "jwt", User: "ann*", HasUser: true,
		Issued: now, Expires: now.Add(100500 * time.Millisecond), Key: "2026",
	}
	rules := got.Permissions.List()
	got.Permissions = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	verbs := access.VerbJoin | access.VerbHistory
	if diff := cmp.Diff([]access.Permission{{Pattern: "user.{user}", Allow: verbs, Rule: 1}, {Pattern: "news", Allow: verbs, Rule: 1}}, rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// TestJWTsShareRules: tokens with the same rules share one compiled form.
func TestJWTsShareRules(t *testing.T) {
	j := newJWT(t, ofSecret(t))
	a, _ := j.Check(access.Credentials{Token: hs256(object{"sub": "a"})})
	b, _ := j.Check(access.Credentials{Token: hs256(object{"sub": "b"})})
	if a.Permissions == nil || a.Permissions != b.Permissions {
		t.Errorf("got %p and %p, want the same permissions", a.Permissions, b.Permissions)
	}
	for i := range 1200 {
		j.Check(access.Credentials{Token: hs256(object{"boreas": []object{{"channels": []string{big.NewInt(int64(i)).String()}, "allow": []string{"join"}}}})})
	}
	c, _ := j.Check(access.Credentials{Token: hs256(nil)})
	if a.Permissions == c.Permissions {
		t.Error("rules that were not used for long are still cached; the cache may have no limit")
	}
}

func TestJWTDefaultRules(t *testing.T) {
	o := ofSecret(t)
	o.DefaultRules = `[{"channels":["own.{user}"],"allow":["join"]}]`
	g, err := newJWT(t, o).Check(access.Credentials{Token: hs256(object{"boreas": nil})})
	if err != nil || !g.Permissions.Decide(access.VerbJoin, "own.u1").Allowed || g.Permissions.Decide(access.VerbJoin, "own.u2").Allowed {
		t.Errorf("got %+v, %v", g, err)
	}
	// An empty list is a claim, so the default rules do not apply.
	g, err = newJWT(t, o).Check(access.Credentials{Token: hs256(object{"boreas": []object{}})})
	if err != nil || g.Permissions.Decide(access.VerbJoin, "own.u1").Allowed {
		t.Errorf("with an empty list of rules: got %+v, %v", g, err)
	}
}

// TestJWTID: a token's ID stays the same if its text is changed in a way that keeps it valid.
func TestJWTID(t *testing.T) {
	k := keys()
	j := newJWT(t, auth.JWTOptions{Keys: []string{"file:" + file(t, pemOf(&k.p256.PublicKey))}})
	token := mint(jwt.SigningMethodES256, k.p256, object{"alg": "ES256"}, issuer.Claims(nil))
	cut := strings.LastIndexByte(token, '.') + 1
	signature := must(decode64(token[cut:]))
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(k.p256.Params().N, s).FillBytes(signature[32:])
	twin := token[:cut] + issuer.Encode(signature)
	if got := check(j, twin); token == twin || got != "user u1" {
		t.Fatalf("the token with the other signature must be valid for this test: %q", got)
	}
	if auth.JWTID(token) != auth.JWTID(twin) {
		t.Error("a token with the other signature has another ID, so a revocation would miss it")
	}

	iss := func(iss, jti string) string {
		return auth.JWTID(hs256(object{"iss": iss, "jti": jti, "x": time.Now().UnixNano()}))
	}
	if first, second := iss("a", "b"), iss("a", "b"); first != second {
		t.Error("two tokens of the same issuer and ID have different IDs")
	}
	if iss("a", "bc") == iss("ab", "c") || iss("a", "b") == iss("", "b") {
		t.Error("tokens of different issuers have the same ID")
	}
	for _, text := range []string{"", ".", "a.b.c", token, hs256(object{"jti": 7}), hs256(object{"jti": ""}), "eyJ." + issuer.Encode([]byte(`{"jti":"1","jti":"2"}`)) + "."} {
		if id := auth.JWTID(text); len(id) != len("jwt_")+16 || !strings.HasPrefix(id, "jwt_") {
			t.Errorf("%.40q: got the ID %q", text, id)
		}
	}
}

func TestJWTLooks(t *testing.T) {
	j := newJWT(t, ofSecret(t))
	for token, want := range map[string]bool{
		hs256(nil): true, "eyJ.e-_.": true, "": false, "eyJ": false, "eyJ..": true, "eyJ.a.b.c": false, "eyJ.a.b=": false,
		"bt_abc": false, "eyJ.a b.c": false, "x.eyJ.c": false,
	} {
		if got := j.Looks(token); got != want {
			t.Errorf("%q: got %v, want %v", token, got, want)
		}
	}
}

func TestNewJWTErrors(t *testing.T) {
	k := keys()
	short := "hs256:" + file(t, []byte("too short\n"))
	const intro = "keys that verify JWTs: "
	const kinds = "a source of keys that verify JWTs must be hs256:FILE, hs384:FILE, hs512:FILE, file:PATH or https://URL"
	set := func(keys ...object) string { return "file:" + file(t, []byte(jwks(keys...))) }
	inFile := func(content string) string { return "file:" + file(t, []byte(content)) }
	ec := func(change object) string { return set(issuer.JWK("k", &k.p256.PublicKey, change)) }
	for _, c := range []struct {
		source, want string
	}{
		{short, intro + short + ": the secret has 9 bytes, and HS256 needs 32 at least: anyone with one token could guess a shorter secret. Make one with: openssl rand -base64 32"},
		{"hs256:" + file(t, []byte("\ufeff"+secret)), intro + "hs256:PATH: it begins with a byte order mark: save the secret as plain text without one"},
		{"hs256:/nowhere", intro + "hs256:/nowhere: no such file or directory"},
		{"the secret itself", kinds},
		{"HS256:secret", kinds},
		{"rs256:secret", kinds},
		{"hs256:", kinds},
		{"ftp://host/", kinds},
		{"http://issuer.example/jwks?key=secret", intro + "http://issuer.example/jwks: without TLS anyone on the network path could answer: use https, or a host on this machine (localhost, 127.0.0.1)"},
		{"https://user:secret@[issuer/", intro + "the URL: it is not a valid URL"},
		{"hs256:" + pemPath(t, &k.rsa.PublicKey), intro + "hs256:PATH: it has a PEM key, which is not a secret: use file:PATH"},
		{"file:" + pemPath(t, &k.small.PublicKey), intro + "file:PATH: key 1: the RSA key has 1024 bits: want 2048 to 8192"},
		{inFile("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), intro + `file:PATH: key 1: it is a "PRIVATE KEY": want a PUBLIC KEY, or a CERTIFICATE; only the signer may have a private key`},
		{inFile("nothing"), intro + "file:PATH: it is neither a file of PEM keys only nor a JWKS"},
		{inFile(`{"keys":{}}`), intro + `file:PATH: it is not a JWKS: want {"keys":[…]}`},
		{inFile(`{"keys":[]}`), intro + "file:PATH: it has no key that could verify a token"},
		{inFile(`{"keys":[],"keys":[]}`), intro + "file:PATH: it is not a JSON object, or an object in it has a member twice"},
		{set(object{"kty": "oct", "k": issuer.Encode([]byte(secret))}), intro + "file:PATH: it has no key that could verify a token: key 1: it is a secret (kty oct), which does not belong in a JWKS: put it into a file, and use hs256:FILE"},
		{set(issuer.JWK("k", &k.p256.PublicKey, nil), issuer.JWK("k", &k.rsa.PublicKey, object{"d": "AAAA"})), intro + "file:PATH: key 2: it has a private key, which only the signer may have: replace the key, because others may have seen it"},
		{ec(object{"alg": "ES384"}), intro + "file:PATH: it has no key that could verify a token: key 1: its alg is not one for its kind of key: want one of [ES256]"},
		{ec(object{"alg": "none"}), intro + "file:PATH: it has no key that could verify a token: key 1: its alg is not one for its kind of key: want one of [ES256]"},
		{ec(object{"crv": "P-384"}), intro + "file:PATH: it has no key that could verify a token: key 1: its x and y do not have the 48 bytes of P-384"},
		{ec(object{"crv": "secp256k1"}), intro + "file:PATH: it has no key that could verify a token: key 1: its crv is not P-256, P-384 or P-521"},
		{ec(object{"x": issuer.Encode(make([]byte, 32))}), intro + "file:PATH: it has no key that could verify a token: key 1: it is not a point of P-256"},
		{ec(object{"kid": ""}), intro + "file:PATH: it has no key that could verify a token: key 1: its kid is not 1 to 255 characters"},
		{set(issuer.JWK("k", &k.rsa.PublicKey, object{"e": "AQ"})), intro + "file:PATH: it has no key that could verify a token: key 1: the RSA key's exponent is not an odd number of 3 or more"},
		{set(issuer.JWK("k", k.ed.Public(), object{"crv": "X25519"})), intro + "file:PATH: it has no key that could verify a token: key 1: its crv is not Ed25519"},
		{set(issuer.JWK("k", k.ed.Public(), object{"x": "AAAA"})), intro + "file:PATH: it has no key that could verify a token: key 1: its x does not have the 32 bytes of Ed25519"},
	} {
		j, err := auth.NewJWT(auth.JWTOptions{Keys: []string{c.source}})
		if err == nil {
			j.Close()
			t.Errorf("%s: no error, want %s", c.source, c.want)
			continue
		}
		got := err.Error()
		if _, path, found := strings.Cut(c.source, ":"); found && strings.Contains(c.want, ":PATH: ") {
			got = strings.Replace(got, path, "PATH", 1)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.source, diff)
		}
	}
}

func TestNewJWTOptionErrors(t *testing.T) {
	for want, change := range map[string]func(*auth.JWTOptions){
		"there are no keys that verify JWTs: name hs256:FILE, file:PATH or the URL of a JWKS": func(o *auth.JWTOptions) { o.Keys = nil },
		"the leeway of JWTs is 6m0s: want 0 to 5m0s":                                          func(o *auth.JWTOptions) { o.Leeway = 6 * time.Minute },
		"the default rules of JWTs: rule 1: it names no channels: \"channels\" is a list of patterns": func(o *auth.JWTOptions) {
			o.DefaultRules = `[{}]`
		},
		`the default rules of JWTs are null: to allow everything, say [{"channels":["**"],"allow":["join","publish","history","presence"]}]`: func(o *auth.JWTOptions) {
			o.DefaultRules = `null`
		},
	} {
		o := ofSecret(t)
		change(&o)
		if _, err := auth.NewJWT(o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func pemPath(t *testing.T, public crypto.PublicKey) string { return file(t, pemOf(public)) }
