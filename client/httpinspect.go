package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// An Ask is something that a token may be able to do.
type Ask struct {
	Verb    string `json:"verb"` // join, publish, history, presence
	Channel string `json:"channel"`
}

// A Verdict is the answer to an [Ask].
type Verdict struct {
	Verb    string `json:"verb"`
	Channel string `json:"channel"`
	Allowed bool   `json:"allowed"`
	By      string `json:"by"` // the rule that decides, in words
}

// An Inspection is what a server thinks of a token, of whatever kind.
type Inspection struct {
	Valid bool        `json:"valid"`
	Error *TokenError `json:"error,omitempty"` // why it is not valid

	Kind    string    `json:"kind,omitempty"` // classic, opaque, jwt, backend
	ID      string    `json:"id,omitempty"`
	User    string    `json:"user,omitempty"`
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero for never
	Rules   []Rule    `json:"rules,omitzero"`   // nil for everything
	Key     string    `json:"key,omitempty"`    // the ID of the key that made or signed it
	Can     []Verdict `json:"can,omitempty"`    // one for each question, in their order

	// Warnings are sentences about rules that may not have the intended effect.
	Warnings []string `json:"warnings,omitempty"`
}

// A TokenError says why a token is not valid.
type TokenError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Retry   string `json:"retry,omitempty"`
	Docs    string `json:"docs,omitempty"`
}

// InspectToken asks what the server thinks of a token, and what the token may do. A
// token that is not valid is no error.
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
