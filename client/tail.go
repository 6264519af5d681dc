package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tailSilence is how long the server may send nothing. It sends a comment every 15 seconds.
const tailSilence = 45 * time.Second

// TailOptions select the events of [Client.Tail]. The zero value selects all.
type TailOptions struct {
	Channel   string   // a pattern; "" means all events
	Events    []string // names of events; nil means all
	User      string
	Session   string
	NoPayload bool // leave out the messages themselves
}

// A TailEvent is something that has happened on the server. docs/http-api.md says which fields each
// event has; the others are empty.
type TailEvent struct {
	Event string `json:"event"` // "hello", "message", "opened", ...

	Time     time.Time       `json:"time,omitzero"`
	Node     string          `json:"node,omitempty"`
	Channel  string          `json:"channel,omitempty"`
	Position string          `json:"position,omitempty"`
	Size     int             `json:"size,omitempty"`
	Message  json.RawMessage `json:"message,omitempty"` // the message, or the text of an error
	Session  string          `json:"session,omitempty"`
	User     string          `json:"user,omitempty"`
	Token    string          `json:"token,omitempty"`
	Key      string          `json:"key,omitempty"`

	// Traceparent is the trace that the publish of a message was a part of.
	Traceparent string `json:"traceparent,omitempty"`

	Address   string   `json:"address,omitempty"`
	Transport string   `json:"transport,omitempty"`
	Verb      string   `json:"verb,omitempty"`
	Code      string   `json:"code,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	From      string   `json:"from,omitempty"`
	To        string   `json:"to,omitempty"`
	Action    string   `json:"action,omitempty"`
	Channels  []string `json:"channels,omitempty"` // the patterns of a key that is limited to channels
	Count     uint64   `json:"count,omitempty"`
	Answered  int      `json:"answered,omitempty"`
	Silent    []string `json:"silent,omitempty"`
}

// Text returns the text of an error in Message, or "".
func (e *TailEvent) Text() string {
	var text string
	if json.Unmarshal(e.Message, &text) != nil {
		return ""
	}
	return text
}

// Tail yields what happens on the server, while it happens, until the loop ends or ctx does. It makes
// one request. If the connection is lost, or the server ends the stream, the last iteration has an
// error.
func (c *Client) Tail(ctx context.Context, o TailOptions) iter.Seq2[TailEvent, error] {
	const op = "watch what happens"
	return func(yield func(TailEvent, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		silent := time.AfterFunc(tailSilence, func() { cancel(fmt.Errorf("%s: the server was silent for %v", op, tailSilence)) })
		defer silent.Stop()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+withQuery("/v2/tail", o.query()), nil)
		if err != nil {
			yield(TailEvent{}, fmt.Errorf("%s: %w", op, withoutURL(err)))
			return
		}
		c.authorize(req)
		endless := *c.http
		endless.Timeout = 0
		resp, err := endless.Do(req)
		if err != nil {
			yield(TailEvent{}, fmt.Errorf("%s: %w", op, withoutURL(err)))
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			yield(TailEvent{}, errorFrom(op, resp))
			return
		}
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, int(min(c.maxResponse, 1<<30)))
		name := ""
		for lines.Scan() {
			silent.Reset(tailSilence)
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "event":
				name = value
			case "data":
				var e TailEvent
				if err := json.Unmarshal([]byte(value), &e); err != nil {
					yield(e, fmt.Errorf("%s: an event cannot be read: %w", op, err))
					return
				}
				e.Event = name
				if !yield(e, nil) {
					return
				}
			}
		}
		err = lines.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		if why := context.Cause(ctx); why != nil && !errors.Is(why, context.Canceled) {
			err = why
		}
		yield(TailEvent{}, fmt.Errorf("%s: the stream has ended: %w", op, err))
	}
}

func (o *TailOptions) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"channel": o.Channel, "user": o.User, "session": o.Session, "event": strings.Join(o.Events, ",")} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if o.NoPayload {
		q.Set("payload", "false")
	}
	return q
}
