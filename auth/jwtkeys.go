package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"github.com/boreas-pubsub/boreas/v2/internal/textfile"
)

const (
	// maxKeys is the maximum number of keys in one JWKS, and in all files together.
	maxKeys = 100

	// maxKeyFile is the maximum size of a file of keys or a JWKS, in bytes.
	maxKeyFile = 256 << 10

	// minRSA and maxRSA are the allowed sizes of RSA keys, in bits. Smaller keys can be broken, and
	// larger ones take too much time.
	minRSA = 2048
	maxRSA = 8192
)

// algorithms are the supported algorithms. "none" is not supported.
var algorithms = map[string]jwt.SigningMethod{
	"HS256": jwt.SigningMethodHS256, "HS384": jwt.SigningMethodHS384, "HS512": jwt.SigningMethodHS512,
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"EdDSA": jwt.SigningMethodEdDSA, "Ed25519": jwt.SigningMethodEdDSA, // RFC 9864
}

// secretSizes are the minimum sizes of secrets, in bytes (RFC 7518, 3.2). Anybody with one token can
// test guesses of a shorter secret.
var secretSizes = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

// A jwtKey verifies tokens with one of its algorithms. It is immutable.
type jwtKey struct {
	kid  string // "" if it has no name
	algs []string
	key  any // a []byte, or a pointer to or value of a public key of package crypto
}

func (k *jwtKey) allows(alg string) bool { return slices.Contains(k.algs, alg) }

// verify reports whether the key has signed the token.
func (k *jwtKey) verify(t *jwtParts) bool {
	return algorithms[t.alg].Verify(t.signed, t.signature, k.key) == nil
}

// newPublicKey returns a key for the algorithms of the public key's kind.
func newPublicKey(kid string, public any) (*jwtKey, error) {
	k := &jwtKey{kid: kid, key: public}
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSA || bits > maxRSA {
			return nil, fmt.Errorf("the RSA key has %d bits: want %d to %d", bits, minRSA, maxRSA)
		}
		if p.E < 3 || p.E%2 == 0 {
			return nil, errors.New("the RSA key's exponent is not an odd number of 3 or more")
		}
		k.algs = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256():
			k.algs = []string{"ES256"}
		case elliptic.P384():
			k.algs = []string{"ES384"}
		case elliptic.P521():
			k.algs = []string{"ES512"}
		default:
			return nil, errors.New("the key's curve is not P-256, P-384 or P-521")
		}
	case ed25519.PublicKey:
		k.algs = []string{"EdDSA", "Ed25519"}
	default:
		return nil, fmt.Errorf("a key of this kind (%T) cannot verify tokens: use RSA, ECDSA or Ed25519", public)
	}
	return k, nil
}

// readKeys reads the keys of a source that is a file. The error names the source, and never repeats
// its content.
func readKeys(source string) ([]*jwtKey, error) {
	kind, path, found := strings.Cut(source, ":")
	if !found || path == "" {
		return nil, errors.New("a source of keys that verify JWTs must be hs256:FILE, hs384:FILE, hs512:FILE, file:PATH or https://URL")
	}
	alg := strings.ToUpper(kind)
	if kind != "file" && (secretSizes[alg] == 0 || kind != strings.ToLower(kind)) {
		return nil, errors.New("a source of keys that verify JWTs must be hs256:FILE, hs384:FILE, hs512:FILE, file:PATH or https://URL")
	}
	var keys []*jwtKey
	var err error
	if kind == "file" {
		keys, err = readKeyFile(path)
	} else {
		keys, err = readSecret(alg, path)
	}
	if err != nil {
		return nil, fmt.Errorf("keys that verify JWTs: %s: %w", source, err)
	}
	return keys, nil
}

func readKeyFile(path string) ([]*jwtKey, error) {
	text, err := textfile.Read(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	return parseKeyFile(text)
}

// readSecret reads a secret, which need not be text.
func readSecret(alg, path string) ([]*jwtKey, error) {
	raw, err := textfile.ReadRaw(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	if text, err := textfile.Decode(raw); err == nil && len(text) < len(raw) && isASCII(text) {
		// The issuer may sign with the byte order mark or without it, and a wrong guess would refuse
		// every token.
		return nil, errors.New("it begins with a byte order mark: save the secret as plain text without one")
	}
	key, err := secretKey(alg, raw)
	if err != nil {
		return nil, err
	}
	return []*jwtKey{key}, nil
}

func isASCII(text []byte) bool {
	return bytes.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// secretKey makes a key of a secret, without the newline that editors put at the end.
func secretKey(alg string, text []byte) (*jwtKey, error) {
	secret := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if least := secretSizes[alg]; len(secret) < least {
		return nil, fmt.Errorf("the secret has %d bytes, and %s needs %d at least: anyone with one token could guess a shorter secret. Make one with: openssl rand -base64 %d", len(secret), alg, least, least)
	}
	if bytes.HasPrefix(bytes.TrimSpace(secret), []byte("-----BEGIN ")) {
		// If a public key were used as a secret, anyone who knows the public key could sign tokens.
		return nil, errors.New("it has a PEM key, which is not a secret: use file:PATH")
	}
	return &jwtKey{algs: []string{alg}, key: secret}, nil
}

func parseKeyFile(text []byte) ([]*jwtKey, error) {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		keys, refused, err := parseJWKS(text)
		if err == nil && len(refused) > 0 {
			err = refused[0]
		}
		return keys, err
	}
	return parsePEM(text)
}

func parsePEM(text []byte) ([]*jwtKey, error) {
	var keys []*jwtKey
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		public, err := publicKey(block)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		key, err := newPublicKey("", public)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 || len(bytes.TrimSpace(text)) > 0 {
		return nil, errors.New("it is neither a file of PEM keys only nor a JWKS")
	}
	return keys, nil
}

func publicKey(block *pem.Block) (any, error) {
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = c.PublicKey
		}
	default:
		return nil, fmt.Errorf("it is a %.40q: want a PUBLIC KEY, or a CERTIFICATE; only the signer may have a private key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("its %s cannot be read: %w", block.Type, err)
	}
	return public, nil
}
