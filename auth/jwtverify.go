package auth

import "github.com/boreas-pubsub/boreas/internal/fault"

// maxTried bounds the signatures that are computed for one token.
const maxTried = 16

// verify returns the key that has signed the token. Its errors are faults. Elsewhere tells
// that a key fetched now may have signed it.
func (j *JWT) verify(t *jwtParts) (key *jwtKey, elsewhere bool, err error) {
	fit, named := t.fitting(nil, j.fixed)
	var unreachable bool
	if !t.symmetric() { // no secret comes from a URL
		for _, r := range j.remotes {
			keys, err := r.get()
			before, had := len(fit), false
			fit, had = t.fitting(fit, keys)
			named = named || had
			if !had && (t.kid != "" || len(fit) == before) {
				elsewhere = true
				unreachable = unreachable || err != nil
			}
		}
	}
	if len(fit) > maxTried {
		return nil, false, badJWT("More than %d keys could have signed the token: it must name its key (kid).", maxTried)
	}
	for _, k := range fit {
		if k.verify(t) {
			return k, false, nil
		}
	}
	switch {
	case named && len(fit) == 0:
		return nil, false, badJWT("The key that the token names (kid) is not for its algorithm, %s.", t.alg)
	case named:
		return nil, false, badJWT("The token's signature is wrong.")
	case unreachable:
		return nil, elsewhere, fault.AuthUnavailable.With("The server cannot fetch the keys that verify the token at the moment.")
	case len(fit) > 0:
		return nil, elsewhere, badJWT("The token's signature is wrong.")
	case t.kid != "" && !t.symmetric():
		return nil, elsewhere, badJWT("The token names a key (kid) that is not among those of jwt_keys.")
	default:
		return nil, elsewhere, badJWT("No key of jwt_keys is for the token's algorithm, %s.", t.alg)
	}
}

// fitting appends the keys that may have signed the token, and tells whether one of them
// all has the very kid that it names. A key without one fits any.
func (t *jwtParts) fitting(fit, keys []*jwtKey) (_ []*jwtKey, named bool) {
	for _, k := range keys {
		if t.kid != "" && k.kid != "" && t.kid != k.kid {
			continue
		}
		named = named || t.kid != "" && t.kid == k.kid
		if k.allows(t.alg) {
			fit = append(fit, k)
		}
	}
	return fit, named
}
