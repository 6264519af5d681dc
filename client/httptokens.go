package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"time"
	"unicode/utf8"
)

// A Rule allows or denies verbs on the channels that match one of its patterns. In a pattern,
// {user} stands for the name of the token's user. If one rule denies a verb, no other rule can
// allow it.
type Rule struct {
	Channels []string `json:"channels"`
	Allow    []string `json:"allow,omitempty"` // join, publish, history, presence
	Deny     []string `json:"deny,omitempty"`
}

// A NewTokenRequest describes the token that [Client.CreateToken] creates.
type NewTokenRequest struct {
	User    string    `json:"user,omitempty"`
	Label   string    `json:"label,omitempty"`  // a note for humans
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Rules   []Rule    `json:"rules,omitzero"`   // nil: everything is allowed; empty: nothing is

	// Info is the user's info in presence, which other clients see: JSON of at most 1,024 bytes.
	// nil means that the client provides it.
	Info json.RawMessage `json:"info,omitempty"`

	// TTL may be set instead of Expires. It is counted by the server's clock, in whole seconds.
	TTL time.Duration `json:"-"`
}

// TokenInfo describes an opaque token. It does not contain the token's text, which the server does
// not keep.
type TokenInfo struct {
	ID      string    `json:"id"`
	User    string    `json:"user,omitempty"`
	Label   string    `json:"label,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Rules   []Rule    `json:"rules,omitzero"`   // nil: everything is allowed

	Info json.RawMessage `json:"info,omitempty"` // the user's info in presence
	Key  string          `json:"key,omitempty"`  // the ID of the API key that created it
}

// A CreatedToken is a token with its text. The server returns the text only once.
type CreatedToken struct {
	Token string `json:"token"`
	TokenInfo

	// Warnings are sentences about rules that may not have the intended effect.
	Warnings []string `json:"warnings,omitempty"`
}

var (
	errNoText    = errors.New("the answer has none; is this the URL of a Boreas API?")
	errNoTokenID = errors.New("the token's ID is empty")
)

// CreateToken creates an opaque token, which is valid at once.
func (c *Client) CreateToken(ctx context.Context, r NewTokenRequest) (CreatedToken, error) {
	const op = "make a token"
	body := struct {
		NewTokenRequest
		TTL int64 `json:"ttl,omitempty"`
	}{r, wholeSeconds(r.TTL)}
	var made CreatedToken
	if err := c.send(ctx, op, http.MethodPost, "/v2/tokens", body, &made); err != nil {
		return CreatedToken{}, err
	}
	if made.Token == "" {
		return CreatedToken{}, opError(op, errNoText)
	}
	return made, nil
}

// Tokens yields the opaque tokens of a user, or all opaque tokens if user is "", sorted by ID.
// After an error the loop ends.
func (c *Client) Tokens(ctx context.Context, user string) iter.Seq2[TokenInfo, error] {
	q := url.Values{}
	if user != "" {
		q.Set("user", user)
	}
	return pages[TokenInfo](ctx, c, "list tokens", "/v2/tokens", q)
}

// Token describes the opaque token with the given ID.
func (c *Client) Token(ctx context.Context, id string) (TokenInfo, error) {
	if id == "" {
		return TokenInfo{}, errNoTokenID
	}
	var info TokenInfo
	return info, c.call(ctx, "look at token "+id, http.MethodGet, tokenPath(id), nil, &info)
}

// A TokenChange contains the new values of a token's fields. Fields that are nil do not change.
type TokenChange struct {
	Label   *string
	Expires *time.Time // zero: never
	Rules   *[]Rule    // a nil list: everything is allowed
}

// MarshalJSON writes the fields to change. "Never" and "everything is allowed" become null.
func (t TokenChange) MarshalJSON() ([]byte, error) {
	change := map[string]any{}
	if t.Label != nil {
		change["label"] = *t.Label
	}
	if t.Expires != nil {
		change["expires"] = nil
		if !t.Expires.IsZero() {
			change["expires"] = *t.Expires
		}
	}
	if t.Rules != nil {
		change["rules"] = *t.Rules
	}
	return json.Marshal(change)
}

// An UpdatedToken is a token after a change.
type UpdatedToken struct {
	TokenInfo
	Sessions int `json:"sessions"` // its live sessions, which have the new rules

	// Nodes says which nodes of a cluster Sessions includes. It is nil without a cluster.
	Nodes *Nodes `json:"nodes,omitempty"`
}

// UpdateToken changes an opaque token. The new rules apply to its live sessions at once.
func (c *Client) UpdateToken(ctx context.Context, id string, change TokenChange) (UpdatedToken, error) {
	if id == "" {
		return UpdatedToken{}, errNoTokenID
	}
	var answer UpdatedToken
	err := c.send(ctx, "change token "+id, http.MethodPatch, tokenPath(id), change, &answer)
	return answer, err
}

// DeleteTokenID deletes an opaque token by its ID and ends its sessions.
func (c *Client) DeleteTokenID(ctx context.Context, id string) (Revoked, error) {
	if id == "" {
		return Revoked{}, errNoTokenID
	}
	var answer Revoked
	err := c.call(ctx, "delete token "+id, http.MethodDelete, tokenPath(id), nil, &answer)
	return answer, err
}

func tokenPath(id string) string { return "/v2/tokens/" + url.PathEscape(id) }

// wholeSeconds rounds away from zero, because the server takes 0 for no expiry. A short TTL must
// not become 0. Nor must a negative one, from time.Until of a past time: the server refuses it as
// it is.
func wholeSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	switch rest := d % time.Second; {
	case rest > 0:
		seconds++
	case rest < 0:
		seconds--
	}
	return seconds
}

// notUTF8 returns a string in the value that is not valid UTF-8. encoding/json would turn it
// into another name, because it replaces invalid UTF-8 with U+FFFD.
func notUTF8(v reflect.Value) (text string, ok bool) {
	switch v.Kind() {
	case reflect.String:
		return v.String(), !utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return notUTF8(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return "", false
		}
		for i := range v.NumField() {
			if text, ok = notUTF8(v.Field(i)); ok {
				return text, true
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if text, ok = notUTF8(v.Index(i)); ok {
				return text, true
			}
		}
	}
	return "", false
}

// send is like call, with a body that it marshals.
func (c *Client) send(ctx context.Context, op, method, path string, body, answer any) error {
	if text, ok := notUTF8(reflect.ValueOf(body)); ok {
		return opError(op, fmt.Errorf("%.40q is not valid UTF-8", text))
	}
	text, err := json.Marshal(body)
	if err != nil {
		return opError(op, err)
	}
	return c.call(ctx, op, method, path, text, answer)
}
