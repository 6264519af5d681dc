package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

const (
	// maxGrace is the longest grace of a revocation, in seconds. For a longer one, set the token's
	// expiry instead.
	maxGrace = 3600

	// apiKeyIDPrefix begins the IDs of API keys. The names of keys that sign JWTs begin
	// differently.
	apiKeyIDPrefix = "key_"

	// maxCredential is the maximum length of a token, an ID or the name of a key, in bytes. A token
	// from another issuer can be a long JWT.
	maxCredential = 16 << 10
)

// revoke revokes tokens and ends their sessions on all nodes. It has done so even if it returns
// fault.NotStored, but then only on this node. Every revocation calls it. Because of the order of its
// steps, no session can be opened with the token in between and stay open.
func (s *service) revoke(ctx context.Context, c *call, v auth.Revocation, grace time.Duration) (cut, error) {
	v.By, v.Change = c.keyID(), s.newChange()
	if v.Change != "" {
		v.Grace = grace
	}
	match, err := s.options.Authority.Revoke(v)
	if match == nil {
		return cut{}, err
	}
	if v.Token != "" {
		s.counts.tokensDeleted.Add(1)
	}
	n := s.hub.RevokeSessions(match, grace)
	if err != nil {
		s.options.Log.Error("tokens were revoked, but the revocation is not stored", "what", kindOf(v), "sessions", n, "grace", grace, "by", c.by())
		text := fmt.Sprintf("%s Sessions that ended or have a grace period: %d.", fault.Message(err), n)
		if s.options.Nodes != nil {
			text += " The other nodes of the cluster do not know the revocation before it is stored."
		}
		return cut{}, fault.NotStored.With(text)
	}
	cut := s.applyOnNodes(ctx, v.Change, n)
	record := []any{"what", kindOf(v), "sessions", cut.sessions, "grace", grace, "by", c.by()}
	if len(cut.silent) > 0 {
		record = append(record, "silent", strings.Join(cut.silent, ","))
	}
	s.options.Log.Info("tokens were revoked", record...)
	return cut, nil
}

// kindOf returns the kind of a revocation for the log. It does not return the token, whose text may
// be given.
func kindOf(v auth.Revocation) string {
	switch {
	case v.Token != "":
		return "a token"
	case v.User != "":
		return "the tokens of a user"
	case v.Key != "":
		return "a key and its tokens"
	case v.IssuedBefore.IsZero():
		return "all tokens"
	default:
		return "all tokens issued until " + v.IssuedBefore.UTC().Format(time.RFC3339)
	}
}

// by describes the caller for the log.
func (c *call) by() string {
	if c.key == nil {
		return "nobody: the API needs no key"
	}
	return c.key.ID + " (" + c.key.Name + ")"
}

// isTokenID reports whether a text is the ID of a token of any kind.
func isTokenID(text string) bool {
	return slices.ContainsFunc([]string{"tok_", "jwt_", "ext_"}, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}

// keyRevokedJSON is the response to the revocation of a key. It says which tokens were revoked and
// which were not.
type keyRevokedJSON struct {
	Sessions int           `json:"sessions"`
	Tokens   int           `json:"tokens"`
	Changed  int           `json:"changed"`
	Keys     []string      `json:"keys"`
	Nodes    *answeredJSON `json:"nodes,omitempty"`
}

// revokeKey revokes an API key and appends the result.
func (s *service) revokeKey(ctx context.Context, dst []byte, c *call, v auth.Revocation, grace time.Duration) ([]byte, error) {
	made := s.options.Authority.MadeWith(v.Key)
	cut, err := s.revoke(ctx, c, v, grace)
	if err != nil {
		return nil, err
	}
	return appendJSON(dst, keyRevokedJSON{cut.sessions, made.Tokens, made.Changed, made.Keys, cut.answered.json()}), nil
}

// newRevocation revokes tokens.
func (s *service) newRevocation(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	o, err := s.readObject(w, r, q.call, "token", "user", "key", "issued_before", "grace", "until")
	if err != nil {
		return nil, 0, err
	}
	v, err := o.revocation()
	if err != nil {
		return nil, 0, err
	}
	grace, err := o.seconds("grace", 0, maxGrace)
	if err != nil {
		return nil, 0, err
	}
	if err := q.mayRevokeKey(v.Key); err != nil {
		return nil, 0, err
	}
	if strings.HasPrefix(v.Key, apiKeyIDPrefix) {
		dst, err = s.revokeKey(r.Context(), dst, q.call, v, grace)
		return dst, http.StatusCreated, err
	}
	cut, err := s.revoke(r.Context(), q.call, v, grace)
	if err != nil {
		return nil, 0, err
	}
	return appendJSON(dst, cut.json()), http.StatusCreated, nil
}

// mayRevokeKey refuses to let a key revoke another key unless it may create keys. Otherwise it
// could lock the operator out, or restore access that the operator has removed with a key. A key
// may revoke itself.
func (c *call) mayRevokeKey(id string) error {
	if c.key == nil || !strings.HasPrefix(id, apiKeyIDPrefix) || id == c.key.ID {
		return nil
	}
	return c.key.May(auth.KeyAdmin, "")
}

// revocation parses a revocation.
func (o object) revocation() (v auth.Revocation, err error) {
	given := 0
	for name, text := range map[string]*string{"token": &v.Token, "user": &v.User, "key": &v.Key} {
		if !o.has(name) {
			continue
		}
		given++
		if *text, err = o.text(name, maxCredential); err != nil {
			return v, err
		}
		if *text == "" {
			return v, malformed("`%s` is empty.", name)
		}
	}
	if v.User != "" {
		if err := access.ValidUser(v.User); err != nil {
			return v, malformed("`user`: %v.", err)
		}
	}
	if v.IssuedBefore, err = o.time("issued_before"); err != nil {
		return v, err
	}
	if v.Until, err = o.future("until"); err != nil {
		return v, err
	}
	switch {
	case given > 1 || given == 0 && !o.has("issued_before"):
		return v, malformed("Send exactly one of `token`, `user`, `key` and `issued_before`. Only `user` and `issued_before` can be together.")
	case o.has("issued_before") && (o.has("token") || o.has("key")):
		return v, malformed("`issued_before` can be alone or with `user`.")
	}
	return v, nil
}

// revocationJSON is a revocation in the API's format.
type revocationJSON struct {
	Token        string  `json:"token,omitempty"`
	User         string  `json:"user,omitempty"`
	Key          string  `json:"key,omitempty"`
	IssuedBefore *string `json:"issued_before,omitempty"`
	Until        *string `json:"until,omitempty"`
}

// revocationInfo returns a revocation, or the number of revocations if the query names none.
func (s *service) revocationInfo(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	if len(q.values) == 0 {
		dst = strconv.AppendInt(append(dst, `{"revocations":`...), int64(s.options.Authority.Revocations()), 10)
		return append(dst, '}'), http.StatusOK, nil
	}
	v, err := q.revocation()
	if err != nil {
		return nil, 0, err
	}
	dst = append(dst, `{"revocation":`...)
	if found, ok := s.options.Authority.Revoked(v); ok {
		if !isTokenID(found.Token) {
			found.Token = "" // do not repeat the token's text
		}
		dst = appendJSON(dst, revocationJSON{found.Token, found.User, found.Key, timeJSON(found.IssuedBefore), timeJSON(found.Until)})
	} else {
		dst = append(dst, "null"...)
	}
	return append(dst, '}'), http.StatusOK, nil
}

// dropRevocation deletes a revocation.
func (s *service) dropRevocation(_ []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	v, err := q.revocation()
	if err != nil {
		return nil, 0, err
	}
	if err := q.mayRevokeKey(v.Key); err != nil {
		return nil, 0, err
	}
	v.By = q.keyID()
	switch there, err := s.options.Authority.Unrevoke(v); {
	case err != nil:
		return nil, 0, err
	case !there:
		return nil, 0, errNoRevocation
	}
	s.options.Log.Info("a revocation was removed", "what", kindOf(v), "by", q.by())
	return nil, http.StatusNoContent, nil
}

// revocation returns the revocation that the query selects.
func (q query) revocation() (auth.Revocation, error) {
	all, err := q.flag("all")
	if err != nil {
		return auth.Revocation{}, err
	}
	v := auth.Revocation{Token: q.values["token"], User: q.values["user"], Key: q.values["key"]}
	given := 0
	for _, one := range []bool{all, v.Token != "", v.User != "", v.Key != ""} {
		if one {
			given++
		}
	}
	if given != 1 || len(q.values) != 1 {
		return v, malformed("Send exactly one of the parameters token, user, key and all=true.")
	}
	return v, nil
}
