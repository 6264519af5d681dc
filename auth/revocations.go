package auth

import (
	"fmt"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// A Revocation says which tokens to revoke. Set exactly one of Token, User and Key; or none of them
// and IssuedBefore, for all tokens issued until that time.
type Revocation struct {
	Token        string    // the text or ID of a token
	User         string    // for all tokens of the user that were issued until IssuedBefore, by default now
	Key          string    // the ID of an API key, for the key and all tokens that it created; or a kid, for all JWTs signed with that key
	IssuedBefore time.Time // with User or alone
	Until        time.Time // when the revocation may be forgotten; zero for never
	By           string    // ID of the API key that requests it; "" if there is none

	// Grace is for other authorities on the same [Store]: how long the sessions of their servers
	// remain, in whole seconds. Change is a random text for [Authority.ApplyUpTo]. Leave both out if
	// no store is shared.
	Grace  time.Duration
	Change string
}

// Revoke revokes tokens: when it returns, they are not valid any more. Match reports whether a grant
// is one of theirs; pass it to [boreas.Hub.RevokeSessions]. If match is nil, nothing was changed.
// Errors: [fault.NoToken] and [fault.NoKey] for an unknown ID, [fault.Malformed], [fault.TooManyStored]. With
// [fault.NotStored] match is not nil: the revocation is in force, but a restart forgets it unless it has
// been stored by that time. The authority repeats storing it; the caller may also repeat Revoke.
//
// Revoking an opaque or minted token deletes it, and a revoked API key never becomes valid again.
// Any other revocation is kept until Until, which therefore must not be before the tokens' expiry.
// The tokens that an API key created are revoked permanently, regardless of Until. The same applies
// to tokens of others whose rules or expiry the key has set. The keys that it created stay valid:
// [Authority.MadeWith] lists them.
//
// The clock of a JWT's issuer may be ahead of ours by [JWTOptions].Leeway, so a JWT is also revoked
// if it was issued up to that long after IssuedBefore. Tokens that the server creates, and the
// backend's answers, are compared by their order if IssuedBefore is not in the past, so clock
// changes do not affect them. The backend's answer counts as issued when the backend was asked:
// make the backend refuse the user as well, otherwise its next answer is accepted again. Two
// revocations of the same user, of the same key, or of all tokens are united.
func (a *Authority) Revoke(r Revocation) (match func(*access.Grant) bool, err error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := checkEnd("until", r.Until); err != nil {
		return nil, err
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	var lines []*line
	err = a.change(r.By, func() (_ []*line, err error) {
		match, lines, err = a.revocation(r)
		for _, l := range lines {
			l.Grace, l.Change = int64(r.Grace/time.Second), r.Change
		}
		return lines, err
	})
	switch fault.Of(err) {
	case nil:
		return match, nil
	case fault.NotStored:
		for _, l := range lines {
			a.enforce(l)
		}
		const changed = "The revocation is in force, but a restart would lose it until it is stored."
		return match, fault.NotStored.With(strings.Replace(fault.Message(err), "Nothing was changed.", changed, 1))
	default:
		return nil, err
	}
}

// revocation returns the lines of a revocation, and which grants it revokes. The caller holds
// writing.
func (a *Authority) revocation(r Revocation) (match func(*access.Grant) bool, lines []*line, err error) {
	l := &line{Op: opRevoke, Until: wallTime(r.Until)}
	switch {
	case r.Token != "":
		id, t := a.tokenID(r.Token)
		if id == "" {
			return nil, nil, fault.NoToken
		}
		match = func(g *access.Grant) bool { return g.TokenID == id }
		if t != nil && !t.provided {
			return match, []*line{{Op: opDelete, ID: id}}, nil
		}
		l.ID, l.Target = id, targetOf(targetToken, id)
	case r.User != "":
		l.Target = targetOf(targetUser, r.User)
		s := a.until(r, l)
		match = func(g *access.Grant) bool { return g.HasUser && g.User == r.User && s.revokes(g, a.leeway()) }
	case r.Key != "":
		if strings.HasPrefix(r.Key, keyIDPrefix) {
			if a.keyWithID(r.Key) == nil && !a.made(r.Key) {
				return nil, nil, fault.NoKey
			}
			l.ID = r.Key // not set for a kid, because a kid is not an ID here, and could look like a token's ID
		}
		l.Target = targetOf(targetKey, r.Key)
		changed := map[string]bool{}
		if l.ID != "" {
			l.Until = time.Time{} // the key and its tokens never become valid again
			changed = a.changedWith(r.Key)
		}
		for id := range changed {
			lines = append(lines, &line{Op: opDelete, ID: id})
		}
		match = func(g *access.Grant) bool { return g.Key == r.Key || changed[g.TokenID] }
	default:
		l.Target = targetOf(targetAll, "")
		s := a.until(r, l)
		match = func(g *access.Grant) bool { return g.Kind != "none" && s.revokes(g, a.leeway()) }
	}
	if !a.state.revocations.has(l.Target) {
		if err := a.makeRoom(a.state.revocations.len, a.options.MaxRevocations, "revocations"); err != nil {
			return nil, nil, err
		}
	}
	return match, append(lines, l), nil
}

// until makes the line revoke the tokens that were issued until now, or until IssuedBefore. The
// caller holds writing.
func (a *Authority) until(r Revocation, l *line) span {
	now := time.Now().UTC().Round(0)
	l.Before = r.IssuedBefore.UTC()
	if l.Before.IsZero() {
		// A JWT that the server has accepted was issued by now, even if the clock was set back since.
		l.Before = now
		if newest := time.Unix(0, a.newest.Load()).UTC(); newest.After(now) {
			l.Before = newest
		}
	}
	if !l.Before.Before(now) { // all existing tokens were issued by that time
		l.Serial, l.Own = a.state.serial+1, r.IssuedBefore.UTC()
	}
	return l.span()
}

// leeway returns how far the clock of a JWT's issuer may be ahead of this machine's.
func (a *Authority) leeway() time.Duration {
	if a.options.JWT == nil {
		return 0
	}
	return a.options.JWT.options.Leeway
}

// check returns what is wrong with a revocation, as a fault.
func (r *Revocation) check() error {
	n := 0
	for _, text := range []string{r.Token, r.User, r.Key} {
		if text != "" {
			n++
		}
	}
	switch {
	case n > 1 || n == 0 && r.IssuedBefore.IsZero():
		return fault.Malformed.With("A revocation has exactly one of token, user and key, or only issued_before.")
	case r.User == "" && n == 1 && !r.IssuedBefore.IsZero():
		return fault.Malformed.With("A revocation has issued_before alone, or with user. A token or key is always revoked completely.")
	case !inRange(r.IssuedBefore):
		return fault.Malformed.With("The time in issued_before is not between the years 1970 and 2261.")
	case len(r.Key) > maxKid:
		return fault.Malformed.With(fmt.Sprintf("The key's name has %d bytes, more than %d.", len(r.Key), maxKid))
	case r.User != "":
		if err := access.ValidUser(r.User); err != nil {
			return malformed(err)
		}
	}
	return nil
}

// tokenID returns the ID of a token that is given by text or ID, and the token itself if the authority
// keeps it. It returns "" if the text cannot be a valid token. The caller holds mu or writing.
func (a *Authority) tokenID(token string) (string, *stored) {
	if t := a.state.byHash[digestOf(token)]; t != nil {
		return t.grant.TokenID, t
	}
	if t := a.state.tokens.get(token); t != nil {
		return token, t
	}
	switch {
	case isID(jwtIDPrefix, token), isID(backendIDPrefix, token):
		return token, nil
	case a.options.JWT != nil && a.options.JWT.Looks(token):
		return jwtID(token), nil
	case a.options.Backend != nil && !isID(tokenIDPrefix, token) && !oursAlone(token):
		return backendID(token), nil
	}
	return "", nil
}

// target returns the target of a revocation. The caller holds mu or writing.
func (a *Authority) target(r Revocation) target {
	switch {
	case r.Token != "":
		// Only the revocation is left of a provider's token.
		provided := targetOf(targetToken, classicID(r.Token))
		if a.state.revocations.has(provided) {
			return provided
		}
		id, _ := a.tokenID(r.Token)
		if id == "" {
			id = r.Token
		}
		return targetOf(targetToken, id)
	case r.User != "":
		return targetOf(targetUser, r.User)
	case r.Key != "":
		return targetOf(targetKey, r.Key)
	}
	return targetOf(targetAll, "")
}

// Revoked returns the revocation with the Token, User or Key of r. If r has none of the three, Revoked
// returns the revocation of all tokens. It returns false if there is no such revocation.
func (a *Authority) Revoked(r Revocation) (Revocation, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	s, ok := a.state.revocations.spans[a.target(r)]
	if !ok || s.until <= time.Now().UnixNano() {
		return Revocation{}, false
	}
	r.IssuedBefore, r.Until = timeOf(s.before), timeOf(s.until)
	return r, true
}

// Unrevoke cancels a revocation. It returns false if there is none. Opaque and minted tokens and API
// keys that were revoked do not become valid again. A provider's token does, when it is added the
// next time. Errors: [fault.NotStored]; [fault.InvalidKey] if r.By is not valid any more;
// [fault.Malformed] for an API key that is not stored, such as an [Options].AdminKey.
func (a *Authority) Unrevoke(r Revocation) (bool, error) {
	a.writing.Lock()
	defer a.writing.Unlock()
	there := false
	err := a.change(r.By, func() ([]*line, error) {
		t := a.target(r)
		if there = a.state.revocations.has(t); !there {
			return nil, nil
		}
		if strings.HasPrefix(r.Key, keyIDPrefix) && a.state.keyIDs[r.Key] == nil {
			// It may be the AdminKey of this authority or of another one, which is not stored: only the
			// revocation makes it invalid.
			return nil, fault.Malformed.With("The revocation of the API key " + r.Key + " is permanent, because the server does not store this key.")
		}
		return []*line{{Op: opUnrevoke, Target: t}}, nil
	})
	return there && err == nil, err
}

// Revocations returns the number of revocations that are kept.
func (a *Authority) Revocations() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.state.revocations.len()
}
