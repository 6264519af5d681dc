package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// parseJWKS reads a set of public keys (RFC 7517). It leaves out keys that are not for verifying. For
// each other key that cannot be used, refused has an error that says why.
func parseJWKS(text []byte) (keys []*jwtKey, refused []error, err error) {
	set, ok := object(text)
	if !ok {
		return nil, nil, errors.New("it is not a JSON object, or an object in it has a member twice")
	}
	list, ok := elements(set["keys"])
	if !ok {
		return nil, nil, errors.New(`it is not a JWKS: want {"keys":[…]}`)
	}
	if len(list) > maxKeys {
		return nil, nil, fmt.Errorf("it has %d keys, more than %d", len(list), maxKeys)
	}
	for i, v := range list {
		key, err := parseJWK(v)
		switch {
		case errors.Is(err, errNotForVerifying):
		case err != nil:
			refused = append(refused, fmt.Errorf("key %d: %w", i+1, err))
		default:
			keys = append(keys, key)
		}
	}
	switch {
	case len(keys) > 0:
	case len(refused) > 0:
		return nil, refused, fmt.Errorf("it has no key that could verify a token: %w", refused[0])
	default:
		return nil, nil, errors.New("it has no key that could verify a token")
	}
	return keys, refused, nil
}

var errNotForVerifying = errors.New("the key is not for verifying")

// A jwk is a JSON Web Key.
type jwk map[string]jsontext.Value

// text returns a member that is a string, or "" if there is none.
func (j jwk) text(member string) (string, error) {
	v, there := j[member]
	if !there {
		return "", nil
	}
	s, ok := stringOf(v)
	if !ok {
		return "", fmt.Errorf("its %s is not a string", member)
	}
	return s, nil
}

// bytes returns a member that is base64url. The member is required.
func (j jwk) bytes(member string) ([]byte, error) {
	s, err := j.text(member)
	if err != nil {
		return nil, err
	}
	b, ok := decode64(s)
	if !ok || len(b) == 0 {
		return nil, fmt.Errorf("its %s is missing, or is not base64url without padding", member)
	}
	return b, nil
}

func parseJWK(v jsontext.Value) (*jwtKey, error) {
	members, ok := object(v)
	if !ok {
		return nil, errors.New("it is not an object")
	}
	j := jwk(members)
	use, err := j.text("use")
	if err != nil {
		return nil, err
	}
	if ops, there := j["key_ops"]; there {
		list, ok := stringsOf(ops)
		if !ok {
			return nil, errors.New("its key_ops is not a list of strings")
		}
		if !slices.Contains(list, "verify") {
			use = "other"
		}
	}
	if use != "" && use != "sig" {
		return nil, errNotForVerifying
	}
	kid, err := j.text("kid")
	if err != nil {
		return nil, err
	}
	if _, there := j["kid"]; there && !validKid(kid) {
		return nil, fmt.Errorf("its kid is not 1 to %d characters", maxKid)
	}
	public, err := j.public()
	if err != nil {
		return nil, err
	}
	key, err := newPublicKey(kid, public)
	if err != nil {
		return nil, err
	}
	if _, there := j["alg"]; there {
		alg, err := j.text("alg")
		if err != nil {
			return nil, err
		}
		if !key.allows(alg) {
			return nil, fmt.Errorf("its alg is not one for its kind of key: want one of %v", key.algs)
		}
		if alg != "EdDSA" && alg != "Ed25519" { // two names of one algorithm
			key.algs = []string{alg}
		}
	}
	return key, nil
}

// public returns the public key.
func (j jwk) public() (any, error) {
	kty, err := j.text("kty")
	if err != nil {
		return nil, err
	}
	if kty == "oct" {
		return nil, errors.New("it is a secret (kty oct), which does not belong in a JWKS: put it into a file, and use hs256:FILE")
	}
	for _, member := range []string{"d", "p", "q", "k"} {
		if _, there := j[member]; there {
			return nil, errors.New("it has a private key, which only the signer may have: replace the key, because others may have seen it")
		}
	}
	switch kty {
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ec()
	case "OKP":
		return j.okp()
	default:
		return nil, errors.New("its kty is not RSA, EC or OKP")
	}
}

func (j jwk) rsa() (any, error) {
	n, err := j.bytes("n")
	if err != nil {
		return nil, err
	}
	e, err := j.bytes("e")
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 {
		return nil, errors.New("the RSA key's exponent is too large")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

func (j jwk) ec() (any, error) {
	crv, err := j.text("crv")
	if err != nil {
		return nil, err
	}
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[crv]
	if curve == nil {
		return nil, errors.New("its crv is not P-256, P-384 or P-521")
	}
	x, err := j.bytes("x")
	if err != nil {
		return nil, err
	}
	y, err := j.bytes("y")
	if err != nil {
		return nil, err
	}
	if size := (curve.Params().BitSize + 7) / 8; len(x) != size || len(y) != size {
		return nil, fmt.Errorf("its x and y do not have the %d bytes of %s", size, crv)
	}
	// This also checks that the point is on the curve. Otherwise others could choose the tokens that
	// the key verifies.
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, fmt.Errorf("it is not a point of %s", crv)
	}
	return public, nil
}

func (j jwk) okp() (any, error) {
	crv, err := j.text("crv")
	if err != nil {
		return nil, err
	}
	if crv != "Ed25519" {
		return nil, errors.New("its crv is not Ed25519")
	}
	x, err := j.bytes("x")
	if err != nil {
		return nil, err
	}
	if len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("its x does not have the %d bytes of Ed25519", ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(x), nil
}
