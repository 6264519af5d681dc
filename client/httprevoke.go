package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Revocation takes tokens back. Set one of Token, User and Key, or IssuedBefore alone
// or with User.
type Revocation struct {
	Token        string        // its text or its ID
	User         string        // all tokens of the user that were issued until IssuedBefore, or until now
	Key          string        // the ID of an API key, and all tokens that it made; or a kid, and all JWTs signed with that key
	IssuedBefore time.Time     // all tokens that were issued until then
	Grace        time.Duration // how long live sessions have to show another token; whole seconds
	Until        time.Time     // when the server may forget it; zero for never
}

// Revoked is the result of a revocation. All fields except Sessions are only for the revocation of
// an API key.
type Revoked struct {
	Sessions int      `json:"sessions"`          // live sessions that ended, or will end after the grace
	Tokens   int      `json:"tokens,omitempty"`  // tokens that the key made
	Changed  int      `json:"changed,omitempty"` // tokens of others that the key changed
	Keys     []string `json:"keys,omitempty"`    // IDs of the keys that the key made: they stay valid
}

// Revoke takes tokens back.
func (c *Client) Revoke(ctx context.Context, r Revocation) (Revoked, error) {
	body := struct {
		Token        string    `json:"token,omitempty"`
		User         string    `json:"user,omitempty"`
		Key          string    `json:"key,omitempty"`
		IssuedBefore time.Time `json:"issued_before,omitzero"`
		Grace        int64     `json:"grace,omitempty"`
		Until        time.Time `json:"until,omitzero"`
	}{r.Token, r.User, r.Key, r.IssuedBefore, wholeSeconds(r.Grace), r.Until}
	var answer Revoked
	err := c.send(ctx, "revoke", http.MethodPost, "/v2/revocations", body, &answer)
	return answer, err
}

// A Refusal is something that the server did not do for a client. What is not known is
// empty.
type Refusal struct {
	Time      time.Time `json:"time"`  // of the last one
	Count     int       `json:"count"` // how many like it came in a row
	Code      string    `json:"code"`
	Message   string    `json:"message"` // what the client was told
	Transport string    `json:"transport,omitempty"`
	Address   string    `json:"address,omitempty"`
	Session   string    `json:"session,omitempty"`
	Token     string    `json:"token,omitempty"` // the ID of the token or the key
	User      string    `json:"user,omitempty"`
	Verb      string    `json:"verb,omitempty"` // what was asked for
	Channel   string    `json:"channel,omitempty"`
	Rule      string    `json:"rule,omitempty"` // the channels' rule that applies to it now; "" if there is none
}

// A RefusalFilter says which refusals are wanted: those with all that is not empty.
type RefusalFilter struct {
	Session, Token, User, Address string
	Limit                         int // 0 leaves it to the server
}

// Refusals lists what the server refused lately, the newest first.
func (c *Client) Refusals(ctx context.Context, f RefusalFilter) ([]Refusal, error) {
	q := url.Values{}
	for name, value := range map[string]string{"session": f.Session, "token": f.Token, "user": f.User, "address": f.Address} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	var answer struct {
		Refusals []Refusal `json:"refusals"`
	}
	return answer.Refusals, c.call(ctx, "list refusals", http.MethodGet, withQuery("/v2/refusals", q), nil, &answer)
}
