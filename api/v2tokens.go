package api

import (
	"encoding/json"
	"net/http"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// maxLabel is the maximum length of the label of a token or key, in bytes.
const maxLabel = 255

// tokenJSON is a token in the API's format.
type tokenJSON struct {
	ID      string          `json:"id"`
	User    string          `json:"user,omitempty"`
	Label   string          `json:"label,omitempty"`
	Created *string         `json:"created,omitempty"`
	Expires *string         `json:"expires,omitempty"`
	Rules   json.RawMessage `json:"rules,omitempty"`
	Info    json.RawMessage `json:"info,omitempty"`
	Key     string          `json:"key,omitempty"`
	Classic bool            `json:"classic,omitempty"`
}

func newTokenJSON(t auth.Token) tokenJSON {
	return tokenJSON{t.ID, t.User, t.Label, timeJSON(t.Created), timeJSON(t.Expires), rulesJSON(t.Rules), json.RawMessage(t.Info), t.Key, t.Classic}
}

// rulesJSON returns rules in the API's format, or nil, which is omitted, if there are none.
func rulesJSON(p *access.Permissions) json.RawMessage {
	if p == nil {
		return nil
	}
	return auth.AppendRules(nil, p)
}

// rules returns the rules of a token, or nil if the member is missing or null.
func (o object) rules() (*access.Permissions, error) {
	if !o.has("rules") || o.isNull("rules") {
		return nil, nil
	}
	p, err := auth.ParseRules(o["rules"])
	if err != nil {
		return nil, malformed("`rules`: %v.", err)
	}
	return p, nil
}

// newToken creates a token that is valid at once. Only this response contains its text.
func (s *service) newToken(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	o, err := s.readObject(w, r, q.call, "user", "label", "ttl", "expires", "rules", "info")
	if err != nil {
		return nil, 0, err
	}
	t := auth.Token{Key: q.keyID()}
	if t.User, err = o.text("user", access.MaxUser); err != nil {
		return nil, 0, err
	}
	if o.has("user") {
		if err := access.ValidUser(t.User); err != nil {
			return nil, 0, malformed("`user`: %v.", err)
		}
	}
	if t.Label, err = o.text("label", maxLabel); err != nil {
		return nil, 0, err
	}
	if t.Expires, err = o.expires(); err != nil {
		return nil, 0, err
	}
	if t.Rules, err = o.rules(); err != nil {
		return nil, 0, err
	}
	if t.Info, err = boreas.NewInfo(o["info"]); err != nil { // already checked to be JSON
		return nil, 0, malformed("`info` has more than %d bytes.", boreas.MaxInfo)
	}
	text, made, err := s.options.Authority.CreateToken(t)
	if err != nil {
		return nil, 0, err
	}
	s.counts.tokensCreated.Add(1)
	return appendJSON(dst, struct {
		Token string `json:"token"`
		tokenJSON
		Warnings []string `json:"warnings,omitempty"`
	}{text, newTokenJSON(made), made.Rules.DotWarnings(made.User, s.ruleText)}), http.StatusCreated, nil
}

// listTokens lists tokens, page by page.
func (s *service) listTokens(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, 0, err
	}
	list, more := s.options.Authority.Tokens(q.values["user"], q.values["after"], limit)
	dst = append(dst, `{"tokens":[`...)
	for i, t := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, newTokenJSON(t))
	}
	dst = append(dst, ']')
	if more {
		dst = appendString(append(dst, `,"next":`...), list[len(list)-1].ID)
	}
	return append(dst, '}'), http.StatusOK, nil
}

// tokenInfo describes a token.
func (s *service) tokenInfo(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	t, err := s.options.Authority.Token(q.name)
	if err != nil {
		return nil, 0, err
	}
	return appendJSON(dst, newTokenJSON(t)), http.StatusOK, nil
}

// changeToken changes a token and the permissions of its sessions.
func (s *service) changeToken(dst []byte, w http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	o, err := s.readObject(w, r, q.call, "label", "ttl", "expires", "rules")
	if err != nil {
		return nil, 0, err
	}
	change := auth.TokenChange{Key: q.keyID()}
	if o.has("label") {
		label, err := o.text("label", maxLabel)
		if err != nil {
			return nil, 0, err
		}
		change.Label = &label
	}
	if o.has("ttl") || o.has("expires") {
		expires, err := o.expires()
		if err != nil {
			return nil, 0, err
		}
		change.Expires = &expires
	}
	if o.has("rules") {
		rules, err := o.rules()
		if err != nil {
			return nil, 0, err
		}
		change.Rules = &rules
	}
	t, cut, err := s.updateToken(r, q, change)
	if err != nil {
		return nil, 0, err
	}
	return appendJSON(dst, struct {
		tokenJSON
		cutJSON
	}{newTokenJSON(t), cut.json()}), http.StatusOK, nil
}

// updateToken changes a token and the permissions of its sessions on all nodes.
func (s *service) updateToken(r *http.Request, q query, change auth.TokenChange) (auth.Token, cut, error) {
	change.Change = s.newChange()
	t, sessions, err := s.updateOwnToken(r, q, change)
	if err != nil {
		return t, cut{}, err
	}
	return t, s.applyOnNodes(r.Context(), change.Change, sessions), nil
}

// updateOwnToken is updateToken for the sessions of this node.
func (s *service) updateOwnToken(r *http.Request, q query, change auth.TokenChange) (t auth.Token, sessions int, err error) {
	// One change at a time, so that the sessions also get the last change last.
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.authorizeAgain(r, q.call); err != nil { // the wait for the lock may have been long
		return t, 0, &deniedError{err}
	}
	t, grant, err := s.options.Authority.UpdateToken(q.name, change)
	if err != nil {
		return t, 0, err
	}
	return t, s.hub.Regrant(grant), nil
}

// dropToken deletes a token and ends its sessions.
func (s *service) dropToken(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	// Accept only an ID: the text of a token should not be in a path, because proxies log paths.
	if !auth.IsTokenID(q.name) {
		return nil, 0, fault.NoToken
	}
	cut, err := s.revoke(r.Context(), q.call, auth.Revocation{Token: q.name}, 0)
	if err != nil {
		return nil, 0, err
	}
	return appendJSON(dst, cut.json()), http.StatusOK, nil
}
