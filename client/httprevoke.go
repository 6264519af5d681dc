package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Revocation selects the tokens to revoke. Set exactly one of Token, User and Key, or set
// IssuedBefore, alone or with User.
type Revocation struct {
	Token        string        // a token's text or ID
	User         string        // all tokens of the user that were issued up to IssuedBefore, or up to now
	Key          string        // the ID of an API key: the key and all tokens that it created; or a kid: all JWTs signed with that key
	IssuedBefore time.Time     // all tokens that were issued up to this time
	Grace        time.Duration // how long live sessions have to present another token; whole seconds
	Until        time.Time     // when the server may forget the revocation; zero: never
}

// Revoked is the result of a revocation. Tokens, Changed and Keys are only set by the revocation of an
// API key.
type Revoked struct {
	Sessions int      `json:"sessions"`          // live sessions that ended, or will end after Grace
	Tokens   int      `json:"tokens,omitempty"`  // tokens that the key created
	Changed  int      `json:"changed,omitempty"` // tokens that the key changed but did not create
	Keys     []string `json:"keys,omitempty"`    // IDs of the keys that the key created; they stay valid

	// Nodes says which nodes of a cluster Sessions includes. It is nil without a cluster.
	Nodes *Nodes `json:"nodes,omitempty"`
}

// Nodes says which nodes of a cluster a result includes. A silent node applies a change or a revocation
// too, as soon as it reads it.
type Nodes struct {
	Answered int      `json:"answered"` // the number of nodes that answered
	Silent   []string `json:"silent"`   // the names of the nodes that did not answer
}

// Revoke revokes tokens and ends their sessions.
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

// A Refusal is a request or a connection that the server refused. Unknown fields are empty.
type Refusal struct {
	Time      time.Time `json:"time"`  // of the last refusal
	Count     int       `json:"count"` // the number of equal refusals in a row
	Code      string    `json:"code"`
	Message   string    `json:"message"` // the message that the client received
	Transport string    `json:"transport,omitempty"`
	Address   string    `json:"address,omitempty"`
	Session   string    `json:"session,omitempty"`
	Token     string    `json:"token,omitempty"` // the ID of the token or API key
	User      string    `json:"user,omitempty"`
	Verb      string    `json:"verb,omitempty"` // the requested verb
	Channel   string    `json:"channel,omitempty"`
	Rule      string    `json:"rule,omitempty"` // the name of the channel rule that applies now; "" if there is none
}

// A RefusalFilter selects refusals. A refusal must match all fields that are not empty.
type RefusalFilter struct {
	Session, Token, User, Address string
	Limit                         int // 0: the server's default
}

// Refusals returns the server's recent refusals, newest first.
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
