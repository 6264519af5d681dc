package auth

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/internal/fault"
)

// maxSeconds is the last second of the year 9999, the last that RFC 3339 can write.
const maxSeconds = 253402300799

// parseClaims reads the claims of a token. Its error is a fault.
func parseClaims(payload []byte) (map[string]jsontext.Value, error) {
	claims, ok := object(payload)
	if !ok {
		return nil, badJWT("The token's claims are not a JSON object, or a claim occurs twice.")
	}
	return claims, nil
}

// grant returns what a token gives whose signature was verified. Errors are faults.
func (j *JWT) grant(t *jwtParts, key *jwtKey, claims map[string]jsontext.Value, now time.Time) (*access.Grant, error) {
	issued, expires, err := j.times(claims, now)
	if err != nil {
		return nil, err
	}
	if err := j.parties(claims); err != nil {
		return nil, err
	}
	if jti, there := claims["jti"]; there {
		if _, ok := stringOf(jti); !ok {
			return nil, badJWT("The token's ID (jti) is not a string.")
		}
	}
	user, ok := stringOf(claim(claims, j.options.UserClaim))
	if !ok {
		return nil, badJWT("The token names no user: its claim %s is missing, or is not a string.", j.options.UserClaim)
	}
	if err := access.ValidUser(user); err != nil {
		return nil, badJWT("The token's claim %s names no user: %v.", j.options.UserClaim, err)
	}
	permissions, err := j.permissions(claims)
	if err != nil {
		return nil, err
	}
	info, err := boreas.NewInfo(claim(claims, j.options.InfoClaim))
	if err != nil {
		return nil, badJWT("The token's claim %s cannot be shown in presence (jwt_info_claim): it is %s.", j.options.InfoClaim, whyNoInfo(err))
	}
	kid := key.kid
	if kid == "" {
		kid = t.kid
	}
	id := claimsID(claims, t.signed)
	return &access.Grant{
		Identity: id, TokenID: id, Kind: "jwt",
		User: user, HasUser: true,
		Issued: issued, Expires: expires,
		Key:         kid,
		Info:        info,
		Permissions: permissions.For(user),
	}, nil
}

// whyNoInfo returns the fault of a token's info.
func whyNoInfo(err error) string {
	if errors.Is(err, boreas.ErrInfoTooLarge) {
		return fmt.Sprintf("larger than %d bytes", boreas.MaxInfo)
	}
	return "not JSON"
}

// times checks when the token is valid. The leeway is for tokens that come from a clock
// ahead of ours. It does not make a token last longer: sessions end when it does.
func (j *JWT) times(claims map[string]jsontext.Value, now time.Time) (issued, expires time.Time, err error) {
	fail := func(err error) (time.Time, time.Time, error) { return time.Time{}, time.Time{}, err }
	if expires, err = numericDate(claims, "exp"); err != nil {
		return fail(err)
	}
	if expires.IsZero() {
		return fail(badJWT("The token has no expiry (exp), which is required."))
	}
	if !now.Before(expires) {
		return fail(fault.TokenExpired.With("The token has expired (exp)."))
	}
	start, err := numericDate(claims, "nbf")
	if err != nil {
		return fail(err)
	}
	if start.After(now.Add(j.options.Leeway)) {
		return fail(badJWT("The token is not valid yet (nbf). If it should be, compare the clocks; the server's option is jwt_leeway."))
	}
	if issued, err = numericDate(claims, "iat"); err != nil {
		return fail(err)
	}
	if issued.After(now.Add(j.options.Leeway)) {
		return fail(badJWT("The token was issued in the future (iat). Compare the clocks; the server's option is jwt_leeway."))
	}
	return issued, expires, nil
}

// numericDate returns the time of a claim, to the millisecond; zero if there is none.
func numericDate(claims map[string]jsontext.Value, name string) (time.Time, error) {
	v, there := claims[name]
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

// parties checks who made the token, and for whom.
func (j *JWT) parties(claims map[string]jsontext.Value) error {
	if v, there := claims["iss"]; there || j.options.Issuer != "" {
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
	v, there := claims["aud"]
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
	for _, a := range audience {
		if a == j.options.Audience {
			return nil
		}
	}
	if j.options.Audience == "" {
		return nil
	}
	return badJWT("The token's audience (aud) is not the one that jwt_audience names.")
}

// stringsOf returns the strings of a JSON string, or of a list of them.
func stringsOf(v jsontext.Value) ([]string, bool) {
	if s, ok := stringOf(v); ok {
		return []string{s}, true
	}
	list, ok := elements(v)
	if !ok {
		return nil, false
	}
	all := make([]string, len(list))
	for i, e := range list {
		if all[i], ok = stringOf(e); !ok {
			return nil, false
		}
	}
	return all, true
}

// permissions returns what the token's rules are.
func (j *JWT) permissions(claims map[string]jsontext.Value) (*access.Permissions, error) {
	name := j.options.RulesClaim
	v := claim(claims, name)
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
		// Not even null, which means everything elsewhere.
		return nil, badJWT("The token's claim %s is neither a list of rules nor an object with one.", name)
	}
	p, err := j.rules.parse(v)
	if err != nil {
		return nil, badJWT("The token's claim %s is not valid: %v.", name, err)
	}
	return p, nil
}

// claim returns the claim of the name, or what it leads to with its dots; nil if there is
// nothing. A claim of the very name goes first: many are URLs.
func claim(claims map[string]jsontext.Value, name string) jsontext.Value {
	if v, there := claims[name]; there {
		return v
	}
	first, rest, dotted := strings.Cut(name, ".")
	v, there := claims[first]
	if !dotted || !there || v.Kind() != '{' {
		return nil
	}
	inner, _ := object(v)
	return claim(inner, rest)
}
