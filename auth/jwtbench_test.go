package auth_test

import (
	"fmt"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// These benchmarks check tokens that the server sees for the first time. Each token is of another
// user, and all have the same rules.

func BenchmarkCheckHS256(b *testing.B) {
	benchmarkCheck(b, jwt.SigningMethodHS256, []byte(secret), ofSecret(b).Keys[0])
}

func BenchmarkCheckES256(b *testing.B) {
	k := keys().p256
	benchmarkCheck(b, jwt.SigningMethodES256, k, "file:"+file(b, []byte(jwks(issuer.JWK("k", &k.PublicKey, nil)))))
}

func BenchmarkCheckEdDSA(b *testing.B) {
	k := keys().ed
	benchmarkCheck(b, jwt.SigningMethodEdDSA, k, "file:"+file(b, []byte(jwks(issuer.JWK("k", k.Public(), nil)))))
}

func BenchmarkCheckRS256(b *testing.B) {
	k := keys().rsa
	benchmarkCheck(b, jwt.SigningMethodRS256, k, "file:"+file(b, []byte(jwks(issuer.JWK("k", &k.PublicKey, nil)))))
}

func benchmarkCheck(b *testing.B, method jwt.SigningMethod, key any, source string) {
	j := newJWT(b, auth.JWTOptions{Keys: []string{source}})
	tokens := make([]access.Credentials, 1000)
	for i := range tokens {
		tokens[i].Token = mint(method, key, object{"alg": method.Alg(), "kid": "k", "typ": "JWT"}, issuer.Claims(object{"sub": fmt.Sprint("user", i)}))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := j.Check(tokens[i%len(tokens)]); err != nil {
			b.Fatal(err)
		}
	}
}
