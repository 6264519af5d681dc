package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A NewKeyRequest describes the API key that [Client.CreateKey] creates.
type NewKeyRequest struct {
	Name     string    `json:"name"`
	Verbs    []string  `json:"verbs"`              // publish, tokens, sessions, stats, view, admin; at least one
	Channels []string  `json:"channels,omitempty"` // patterns; empty: all channels
	Expires  time.Time `json:"expires,omitzero"`   // zero: never

	// TTL may be set instead of Expires. It is counted by the server's clock, in whole seconds.
	TTL time.Duration `json:"-"`
}

// KeyInfo describes an API key. It does not contain the key's text, which the server does not keep.
type KeyInfo struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Verbs    []string  `json:"verbs"`
	Channels []string  `json:"channels,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`   // zero: never
	LastUsed time.Time `json:"last_used,omitzero"` // zero: never
}

// A CreatedKey is an API key with its text. The server returns the text only once.
type CreatedKey struct {
	Key string `json:"key"`
	KeyInfo
}

// CreateKey creates an API key. At most two valid keys may share a name: the current key and its
// successor.
func (c *Client) CreateKey(ctx context.Context, r NewKeyRequest) (CreatedKey, error) {
	op := fmt.Sprintf("make key %q", r.Name)
	body := struct {
		NewKeyRequest
		TTL int64 `json:"ttl,omitempty"`
	}{r, wholeSeconds(r.TTL)}
	var made CreatedKey
	if err := c.send(ctx, op, http.MethodPost, "/v2/keys", body, &made); err != nil {
		return CreatedKey{}, err
	}
	if made.Key == "" {
		return CreatedKey{}, opError(op, errNoText)
	}
	return made, nil
}

// Keys returns the API keys, oldest first.
func (c *Client) Keys(ctx context.Context) ([]KeyInfo, error) {
	var answer struct {
		Keys []KeyInfo `json:"keys"`
	}
	return answer.Keys, c.call(ctx, "list keys", http.MethodGet, "/v2/keys", nil, &answer)
}

// DeleteKey revokes an API key by its ID, and the tokens that it created.
func (c *Client) DeleteKey(ctx context.Context, id string) (Revoked, error) {
	if id == "" {
		return Revoked{}, errors.New("the key's ID is empty")
	}
	var answer Revoked
	err := c.call(ctx, "revoke key "+id, http.MethodDelete, "/v2/keys/"+url.PathEscape(id), nil, &answer)
	return answer, err
}
