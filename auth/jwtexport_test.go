package auth

import "time"

// Names that the tests in package auth_test need.
var (
	JWTID     = jwtID
	BackendID = backendID
)

// KidsOf reads a JWKS, and returns the kids and algorithms of its keys.
func KidsOf(text []byte) (kids []string, algs [][]string, err error) {
	keys, _, err := parseJWKS(text)
	for _, k := range keys {
		kids, algs = append(kids, k.kid), append(algs, k.algs)
	}
	return kids, algs, err
}

// ReadAnswer reads an answer of a backend.
func (b *Backend) ReadAnswer(text []byte) (user string, expires time.Time, err error) {
	a, err := b.read("token", text, asked{at: time.Now()})
	if err != nil {
		return "", time.Time{}, err
	}
	return a.grant.User, a.grant.Expires, nil
}
