package client

import (
	"context"
	"net/http"
	"time"
)

// A Caller describes what the client's key may do; see [Client.Caller].
type Caller struct {
	Key      string    `json:"key"` // the key's ID; "" if the client has no key
	Name     string    `json:"name,omitempty"`
	Verbs    []string  `json:"verbs"`
	Channels []string  `json:"channels"`         // nil: all channels
	Expires  time.Time `json:"expires,omitzero"` // zero: never
	Open     bool      `json:"open,omitempty"`   // the API needs no key yet
	Node     string    `json:"node,omitempty"`   // the node that answered; "" without a cluster
	Version  string    `json:"version"`          // of the server
}

// Caller returns what the client's key may do.
func (c *Client) Caller(ctx context.Context) (Caller, error) {
	var answer Caller
	err := c.call(ctx, "ask what the key may do", http.MethodGet, "/v2/caller", nil, &answer)
	return answer, err
}

// A ConfigOption is an option of the server.
type ConfigOption struct {
	Name   string `json:"name"`
	Value  string `json:"value"` // of a secret only "set"
	From   string `json:"from"`  // flag, environment, file or default
	Secret bool   `json:"secret,omitempty"`
}

// Config returns the options of the server with the values that are in force.
func (c *Client) Config(ctx context.Context) ([]ConfigOption, error) {
	var answer struct {
		Options []ConfigOption `json:"options"`
	}
	err := c.call(ctx, "list the options", http.MethodGet, "/v2/config", nil, &answer)
	return answer.Options, err
}
