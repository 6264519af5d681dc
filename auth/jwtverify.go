package auth

import (
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// maxTried is the maximum number of signatures that are computed for one token.
const maxTried = 16

// signer returns the key that has signed the token. If no known key has, it fetches the keys that
// have a URL. The error is a fault.
func (j *JWT) signer(c access.Credentials, t *jwtParts) (*jwtKey, error) {
	key, stale, err := j.verify(t)
	if !stale {
		return key, err
	}
	fetched, busy := j.fetch(c)
	if busy != nil {
		return nil, busy
	}
	if fetched {
		key, _, err = j.verify(t)
	}
	return key, err
}

// verify returns the key that has signed the token. The error is a fault. If stale is true, the
// key may be among those at a URL, and was not when they were last fetched.
func (j *JWT) verify(t *jwtParts) (key *jwtKey, stale bool, err error) {
	candidates, named := t.candidates(nil, *j.fixed.Load())
	var unreachable bool
	if !t.symmetric() { // no secret comes from a URL
		for _, r := range j.remotes {
			keys, err := r.get()
			before, had := len(candidates), false
			candidates, had = t.candidates(candidates, keys)
			named = named || had
			if !had && (t.kid != "" || len(candidates) == before) {
				stale = true
				unreachable = unreachable || err != nil
			}
		}
	}
	if len(candidates) > maxTried {
		return nil, false, badJWT("More than %d keys could have signed the token: it must name its key (kid).", maxTried)
	}
	for _, k := range candidates {
		if k.verify(t) {
			return k, false, nil
		}
	}
	switch {
	case named && len(candidates) == 0:
		return nil, false, badJWT("The key that the token names (kid) is not for its algorithm, %s.", t.alg)
	case named:
		return nil, false, badJWT("The token's signature is wrong.")
	case unreachable:
		return nil, stale, fault.AuthUnavailable.With("The server cannot fetch the keys that verify the token at the moment.")
	case len(candidates) > 0:
		return nil, stale, badJWT("The token's signature is wrong.")
	case t.kid != "" && !t.symmetric():
		return nil, stale, badJWT("The token names a key (kid) that is not among those of jwt_keys.")
	default:
		return nil, stale, badJWT("No key of jwt_keys is for the token's algorithm, %s.", t.alg)
	}
}

// candidates appends the keys that may have signed the token. A key without a name may have signed
// any token. Named reports whether one of all the keys has the name that the token gives.
func (t *jwtParts) candidates(list, keys []*jwtKey) (_ []*jwtKey, named bool) {
	for _, k := range keys {
		if t.kid != "" && k.kid != "" && t.kid != k.kid {
			continue
		}
		named = named || t.kid != "" && t.kid == k.kid
		if k.allows(t.alg) {
			list = append(list, k)
		}
	}
	return list, named
}
