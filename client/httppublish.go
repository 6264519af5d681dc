package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Publish publishes a message on a channel over HTTP. The message is marshalled with encoding/json;
// a json.RawMessage is sent unchanged.
//
// Publish without a key never retries. If it fails with anything but an [Error], the message may or
// may not have been published, and calling Publish again may publish it twice. With a key, a retry
// is safe as long as the server remembers the key.
func (c *Client) Publish(ctx context.Context, channel string, message any, o PublishOptions) (Ack, error) {
	op := fmt.Sprintf("publish on %q", channel)
	if channel == "" {
		return Ack{}, fmt.Errorf("publish: %w", errNoChannel)
	}
	if o.NoEcho {
		return Ack{}, fmt.Errorf("%s: NoEcho is for publishing over a Conn", op)
	}
	if err := errors.Join(checkChannel(channel), checkKey(o.Key)); err != nil {
		return Ack{}, opError(op, err)
	}
	payload, err := payloadOf(message)
	if err != nil {
		return Ack{}, fmt.Errorf("%s: %w", op, err)
	}
	path := channelPath(channel) + "/messages"
	if o.DryRun {
		path += "?dry_run=true"
	}
	var ack Ack
	return ack, c.callWithKey(ctx, op, http.MethodPost, path, o.Key, payload, &ack)
}

func channelPath(name string) string { return "/v2/channels/" + url.PathEscape(name) }

// An Outgoing is one message of [Client.PublishMany].
type Outgoing struct {
	Channel string
	Message any    // as for Publish
	Key     string // as in [PublishOptions]; "" for none
}

// A Result is the outcome of one message of [Client.PublishMany].
type Result struct {
	Ack
	Err error // an [*Error] if it was refused; Ack is zero in that case
}

// PublishMany publishes messages in their order with one request. It returns a result for each.
// A message that fails does not affect the others, even if its channel, data or key is not
// valid. A server accepts up to 1,000 messages at once.
func (c *Client) PublishMany(ctx context.Context, messages []Outgoing) ([]Result, error) {
	const op = "publish many messages"
	body := []byte(`{"messages":[`)
	results := make([]Result, len(messages))
	var sent []int // indices of the messages in the request
	for i, m := range messages {
		params, err := m.params()
		if err != nil {
			results[i].Err = err
			continue
		}
		if len(sent) > 0 {
			body = append(body, ',')
		}
		sent, body = append(sent, i), append(body, params...)
	}
	if len(sent) == 0 && len(messages) > 0 {
		return results, nil
	}
	var answer struct {
		Results []struct {
			Ack
			Error *refused `json:"error"`
		} `json:"results"`
	}
	if err := c.call(ctx, op, http.MethodPost, "/v2/messages", append(body, "]}"...), &answer); err != nil {
		return nil, err
	}
	if len(answer.Results) != len(sent) {
		return nil, errors.New(op + ": the answer does not have one result for each message")
	}
	for k, r := range answer.Results {
		i := sent[k]
		results[i] = Result{Ack: r.Ack}
		if r.Error != nil {
			results[i] = Result{Err: r.Error.as(fmt.Sprintf("publish on %q", messages[i].Channel))}
		}
	}
	return results, nil
}

// params returns the JSON of the message in a batch, or the error that the server would return.
// An invalid message is not sent, because an invalid name would become another name in JSON.
func (m *Outgoing) params() (rawParams, error) {
	refuse := func(code string, err error) error {
		return &Error{Op: fmt.Sprintf("publish on %q", m.Channel), Code: code, Message: err.Error(), Retry: "never"}
	}
	if err := checkChannel(m.Channel); err != nil {
		return nil, refuse(CodeChannelName, err)
	}
	if err := checkKey(m.Key); err != nil {
		return nil, refuse(CodeBadKey, err)
	}
	payload, err := payloadOf(m.Message)
	if err != nil {
		return nil, refuse(CodeMalformed, err)
	}
	return publishRequest(m.Channel, payload, m.Key, false)
}
