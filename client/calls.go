package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// NewToken creates a classic token for a subscriber. It is valid at once.
func (c *Client) NewToken(ctx context.Context) (string, error) {
	var answer struct {
		Token string `json:"token"`
	}
	if err := c.call(ctx, "make a token", http.MethodPost, "/token/", nil, &answer); err != nil {
		return "", err
	}
	if answer.Token == "" {
		return "", errors.New("make a token: the answer has none; is this the URL of a Boreas API?")
	}
	return answer.Token, nil
}

// ActiveTokens returns the tokens that have at least one connection, each token once. With a
// channel it returns one token for each connection on the channel, so a token may appear twice. It
// returns an empty list for a channel without subscribers.
func (c *Client) ActiveTokens(ctx context.Context, channel ...string) ([]string, error) {
	op, path := "list tokens", "/token/"
	switch len(channel) {
	case 0:
	case 1:
		if channel[0] == "" {
			return nil, errNoChannel
		}
		op, path = fmt.Sprintf("list tokens on %q", channel[0]), "/"+url.PathEscape(channel[0])+"/token/"
	default:
		return nil, errors.New("list tokens: ask for one channel at a time")
	}
	var answer struct {
		Tokens []string `json:"tokens"`
	}
	if err := c.call(ctx, op, http.MethodGet, path, nil, &answer); err != nil {
		return nil, err
	}
	return answer.Tokens, nil
}

// DeleteToken makes a classic token invalid. If the server does not know the token, the error is an
// [Error] with status 404.
func (c *Client) DeleteToken(ctx context.Context, token string) error {
	if token == "" {
		return errors.New("delete a token: the token is empty")
	}
	return c.call(ctx, "delete a token", http.MethodDelete, "/token/"+url.PathEscape(token), nil, nil)
}

// BroadcastOptions are the options of [Client.Broadcast]. The zero value delivers the message.
type BroadcastOptions struct {
	// DryRun makes the server check the request without delivering the message.
	DryRun bool
}

var errNoChannel = errors.New("the channel's name is empty")

// Broadcast sends a message to all subscribers of a channel. The message is marshalled with
// encoding/json; a json.RawMessage is sent unchanged, byte for byte. Success means that the server
// accepted the message, even if the channel has no subscribers.
//
// Broadcast never retries. If it fails with anything but an [Error], the message may or may not
// have been delivered, and calling Broadcast again may deliver it twice.
func (c *Client) Broadcast(ctx context.Context, channel string, message any, o BroadcastOptions) error {
	op := fmt.Sprintf("broadcast on %q", channel)
	if channel == "" {
		return fmt.Errorf("broadcast: %w", errNoChannel)
	}
	payload, err := payloadOf(message)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if bytes.Equal(payload, []byte("null")) {
		return fmt.Errorf("%s: the message is null, which the classic wire cannot carry", op)
	}
	body := make([]byte, 0, len(payload)+len(`{"dryrun": false, "payload": }`))
	body = fmt.Appendf(body, `{"dryrun": %t, "payload": `, o.DryRun)
	body = append(body, payload...)
	body = append(body, '}')
	return c.call(ctx, op, http.MethodPost, "/broadcast/"+url.PathEscape(channel)+"/", body, nil)
}

// payloadOf returns the JSON of a message. It does not marshal a raw message, because encoding/json
// would compact it and escape HTML characters.
func payloadOf(message any) ([]byte, error) {
	raw, ok := message.(json.RawMessage)
	if !ok {
		return json.Marshal(message)
	}
	if !json.Valid(raw) {
		return nil, errors.New("the message is not valid JSON")
	}
	if !utf8.Valid(raw) { // json.Valid does not check this
		return nil, errors.New("the message is not valid UTF-8")
	}
	return bytes.TrimSpace(raw), nil
}
