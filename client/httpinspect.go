package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// An Ask is a question whether a token allows a verb on a channel.
type Ask struct {
	Verb    string `json:"verb"` // join, publish, history, presence
	Channel string `json:"channel"`
}

// A Verdict is the answer to an [Ask].
type Verdict struct {
	Verb    string `json:"verb"`
	Channel string `json:"channel"`
	Allowed bool   `json:"allowed"`
	By      string `json:"by"` // a description of the rule that decides
}

// An Inspection is the server's description of a token of any kind.
type Inspection struct {
	Valid bool        `json:"valid"`
	Error *TokenError `json:"error,omitempty"` // why the token is not valid

	Kind    string    `json:"kind,omitempty"` // classic, opaque, jwt, backend
	ID      string    `json:"id,omitempty"`
	User    string    `json:"user,omitempty"`
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Rules   []Rule    `json:"rules,omitzero"`   // nil: everything is allowed
	Key     string    `json:"key,omitempty"`    // the ID of the key that created or signed the token
	Can     []Verdict `json:"can,omitempty"`    // one for each question, in the same order

	// Warnings are sentences about rules that may not have the intended effect.
	Warnings []string `json:"warnings,omitempty"`
}

// A TokenError is the reason why a token is not valid.
type TokenError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Retry   string `json:"retry,omitempty"`
	Docs    string `json:"docs,omitempty"`
}

// InspectToken describes a token and answers for each Ask whether the token allows it. An invalid
// token is not an error: the Inspection says why it is invalid.
func (c *Client) InspectToken(ctx context.Context, token string, can ...Ask) (Inspection, error) {
	if token == "" {
		return Inspection{}, errors.New("inspect a token: the token is empty")
	}
	body := struct {
		Token string `json:"token"`
		Can   []Ask  `json:"can,omitempty"`
	}{token, can}
	var answer Inspection
	return answer, c.send(ctx, "inspect a token", http.MethodPost, "/v2/tokens/inspect", body, &answer)
}
