package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A Trace says whether a message has arrived, and who has it; see [Client.Trace].
type Trace struct {
	Channel  string          `json:"channel"`
	Position string          `json:"position"`
	Time     time.Time       `json:"time"`              // when the server accepted the message
	Size     int             `json:"size"`              // in bytes
	Message  json.RawMessage `json:"message,omitempty"` // nil if the key has only the verb view
	By       *Publisher      `json:"by,omitempty"`      // nil if the server does not know it

	// Traceparent is the trace that the publish was a part of (W3C Trace Context); "" if there was
	// none, or the server does not know it.
	Traceparent string `json:"traceparent,omitempty"`

	// Subscribers is the number of sessions that joined before the message, or do not have it yet.
	// Delivered is the number of these that have it, or received a gap instead.
	Delivered   int `json:"delivered"`
	Subscribers int `json:"subscribers"`

	Behind []LateSession `json:"behind"`          // at most 100 sessions without the message, most behind first
	Nodes  *Nodes        `json:"nodes,omitempty"` // nil without a cluster
}

// A Publisher is the client or backend that published a message. Fields that do not apply are empty.
type Publisher struct {
	Key     string `json:"key,omitempty"`  // the ID of the API key
	Name    string `json:"name,omitempty"` // of the API key
	Token   string `json:"token,omitempty"`
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
	Node    string `json:"node,omitempty"` // the node of a cluster that accepted the message
}

// A LateSession is a session that does not have a message yet.
type LateSession struct {
	Session   string `json:"session"`
	User      string `json:"user,omitempty"`
	Behind    int    `json:"behind"`     // the number of messages of the channel that wait for the session
	BlockedMS int64  `json:"blocked_ms"` // for how long its connection has accepted no byte; 0 if it accepts them
}

var errNoPosition = errors.New("the position is empty")

// Trace describes the message at a position of a channel, and says which sessions have it. If no kept
// message has the position, the error is an [Error] with the code [CodeNoMessage], and its message
// gives the reason.
func (c *Client) Trace(ctx context.Context, channel, position string) (Trace, error) {
	switch {
	case channel == "":
		return Trace{}, fmt.Errorf("trace a message: %w", errNoChannel)
	case position == "":
		return Trace{}, fmt.Errorf("trace a message: %w", errNoPosition)
	}
	var answer Trace
	op := fmt.Sprintf("trace the message %s of %q", position, channel)
	return answer, c.call(ctx, op, http.MethodGet, channelPath(channel)+"/messages/"+url.PathEscape(position), nil, &answer)
}
