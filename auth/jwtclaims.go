package auth

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

const (
	// maxSeconds is the last second of the year 9999, the last year that RFC 3339 can express.
	maxSeconds = 253402300799

	// jwtDomain makes the hashes of JWTs different from any other hashes.
	jwtDomain = "boreas jwt\x00"
)

// claims are the claims of a token.
type claims map[string]jsontext.Value

// grant returns the grant of a token whose signature the key has verified. The error is a fault.
func (j *JWT) grant(t *jwtParts, key *jwtKey, now time.Time) (*access.Grant, error) {
	members, ok := object(t.payload)
	if !ok {
		return nil, badJWT("The token's claims are not a JSON object, or a claim occurs twice.")
	}
	c := claims(members)
	issued, expires, err := j.times(c, now)
	if err != nil {
		return nil, err
	}
	if err := j.parties(c); err != nil {
		return nil, err
	}
	if jti, there := c["jti"]; there {
		if _, ok := stringOf(jti); !ok {
			return nil, badJWT("The token's ID (jti) is not a string.")
		}
	}
	user, ok := stringOf(c.find(j.options.UserClaim))
	if !ok {
		return nil, badJWT("The token names no user: its claim %s is missing, or is not a string.", j.options.UserClaim)
	}
	if err := access.ValidUser(user); err != nil {
		return nil, badJWT("The token's claim %s names no user: %v.", j.options.UserClaim, err)
	}
	permissions, err := j.permissions(c)
	if err != nil {
		return nil, err
	}
	info, err := boreas.NewInfo(c.find(j.options.InfoClaim))
	if err != nil {
		return nil, badJWT("The token's claim %s cannot be shown in presence (jwt_info_claim): it is %s.", j.options.InfoClaim, whyNoInfo(err))
	}
	kid := key.kid
	if kid == "" {
		kid = t.kid
	}
	id := c.id(t.signed)
	return &access.Grant{
		Identity: id, TokenID: id, Kind: "jwt",
		User: user, HasUser: true,
		Issued: issued, Expires: expires,
		Key:         kid,
		Info:        info,
		Permissions: permissions.For(user),
	}, nil
}

// whyNoInfo returns what is wrong with the info of a token.
func whyNoInfo(err error) string {
	if errors.Is(err, boreas.ErrInfoTooLarge) {
		return fmt.Sprintf("larger than %d bytes", boreas.MaxInfo)
	}
	return "not JSON"
}

// times checks when the token is valid. The leeway is for issuers whose clock is ahead of ours. It
// does not extend a token: sessions end at its expiry.
func (j *JWT) times(c claims, now time.Time) (issued, expires time.Time, err error) {
	fail := func(err error) (time.Time, time.Time, error) { return time.Time{}, time.Time{}, err }
	if expires, err = c.date("exp"); err != nil {
		return fail(err)
	}
	if expires.IsZero() {
		return fail(badJWT("The token has no expiry (exp), which is required."))
	}
	if !now.Before(expires) {
		return fail(fault.TokenExpired.With("The token has expired (exp)."))
	}
	start, err := c.date("nbf")
	if err != nil {
		return fail(err)
	}
	if start.After(now.Add(j.options.Leeway)) {
		return fail(badJWT("The token is not valid yet (nbf). If it should be, compare the clocks; the server's option is jwt_leeway."))
	}
	if issued, err = c.date("iat"); err != nil {
		return fail(err)
	}
	if issued.After(now.Add(j.options.Leeway)) {
		return fail(badJWT("The token was issued in the future (iat). Compare the clocks; the server's option is jwt_leeway."))
	}
	return issued, expires, nil
}

// parties checks the issuer and the audience of the token.
func (j *JWT) parties(c claims) error {
	if v, there := c["iss"]; there || j.options.Issuer != "" {
		issuer, ok := stringOf(v)
		switch {
		case !there:
			return badJWT("The token names no issuer (iss), and jwt_issuer requires one.")
		case !ok:
			return badJWT("The token's issuer (iss) is not a string.")
		case j.options.Issuer != "" && issuer != j.options.Issuer:
			return badJWT("The token's issuer (iss) is not the one that jwt_issuer names.")
		}
	}
	v, there := c["aud"]
	if !there && j.options.Audience == "" {
		return nil
	}
	if !there {
		return badJWT("The token names no audience (aud), and jwt_audience requires one.")
	}
	audience, ok := stringsOf(v)
	if !ok {
		return badJWT("The token's audience (aud) is neither a string nor a list of strings.")
	}
	if j.options.Audience != "" && !slices.Contains(audience, j.options.Audience) {
		return badJWT("The token's audience (aud) is not the one that jwt_audience names.")
	}
	return nil
}

// permissions returns the token's rules.
func (j *JWT) permissions(c claims) (*access.Permissions, error) {
	name := j.options.RulesClaim
	v := c.find(name)
	if v == nil {
		if j.without == nil {
			return nil, badJWT("The token has no rules, so it allows nothing: the claim %s is missing, and jwt_default_rules is empty.", name)
		}
		return j.without, nil
	}
	if v.Kind() == '{' {
		members, _ := object(v)
		list, there := members["rules"]
		if !there || len(members) != 1 {
			return nil, badJWT("The token's claim %s is an object with a member other than rules.", name)
		}
		v = list
	}
	if v.Kind() != '[' {
		// Also not null: elsewhere that means that everything is allowed.
		return nil, badJWT("The token's claim %s is neither a list of rules nor an object with one.", name)
	}
	p, err := j.rules.parse(v)
	if err != nil {
		return nil, badJWT("The token's claim %s is not valid: %v.", name, err)
	}
	return p, nil
}

// find returns the claim of a name, or nil. A dot in the name leads into an object, unless there
// is a claim of exactly that name: many names are URLs.
func (c claims) find(name string) jsontext.Value {
	if v, there := c[name]; there {
		return v
	}
	first, rest, dotted := strings.Cut(name, ".")
	v, there := c[first]
	if !dotted || !there || v.Kind() != '{' {
		return nil
	}
	inner, _ := object(v)
	return claims(inner).find(rest)
}

// date returns the time of a claim, to the millisecond. It is zero if there is no such claim.
func (c claims) date(name string) (time.Time, error) {
	v, there := c[name]
	if !there {
		return time.Time{}, nil
	}
	if v.Kind() != '0' {
		return time.Time{}, badJWT("The token's claim %s is not a number of seconds.", name)
	}
	seconds, err := strconv.ParseFloat(string(v), 64)
	if err != nil || !(seconds >= 0 && seconds <= maxSeconds) {
		return time.Time{}, badJWT("The token's claim %s is not a valid number of seconds since 1970.", name)
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1000)*int64(time.Millisecond)), nil
}

// id returns the TokenID of a token with these claims. It is a hash of iss and jti if there is a
// jti, and otherwise of the signed part of the text. The signature must not count: for each
// signature by ECDSA anybody can compute a second one that is also valid.
func (c claims) id(signed string) string {
	jti, _ := stringOf(c["jti"])
	if jti == "" {
		return hashID(jwtIDPrefix, jwtDomain, "text", signed)
	}
	iss, _ := stringOf(c["iss"])
	return hashID(jwtIDPrefix, jwtDomain, "jti", iss, jti)
}

// jwtID returns the TokenID of a JWT without verifying it.
func jwtID(text string) string {
	signed := text
	if i := strings.LastIndexByte(text, '.'); i >= 0 {
		signed = text[:i]
	}
	_, payload, _ := strings.Cut(signed, ".")
	var c claims
	if b, ok := decode64(payload); ok && len(text) <= MaxJWT {
		if members, ok := object(b); ok {
			c = members
		}
	}
	return c.id(signed)
}
