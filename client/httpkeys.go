package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A NewKeyRequest says what [Client.CreateKey] makes.
type NewKeyRequest struct {
	Name     string    `json:"name"`
	Verbs    []string  `json:"verbs"`              // publish, tokens, sessions, stats, admin; at least one
	Channels []string  `json:"channels,omitempty"` // patterns; none means all channels
	Expires  time.Time `json:"expires,omitzero"`   // zero for never

	// TTL, instead of Expires, is how long it lives by the server's clock, in whole seconds.
	TTL time.Duration `json:"-"`
}

// KeyInfo is what the server keeps of an API key. The text is not kept.
type KeyInfo struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Verbs    []string  `json:"verbs"`
	Channels []string  `json:"channels,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`   // zero for never
	LastUsed time.Time `json:"last_used,omitzero"` // zero for never
}

// A CreatedKey is a key and its text, which the server tells once.
type CreatedKey struct {
	Key string `json:"key"`
	KeyInfo
}

// CreateKey makes an API key. Two valid keys of one name are the most: the one in use
// and the next one.
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

// Keys lists the API keys, oldest first.
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
