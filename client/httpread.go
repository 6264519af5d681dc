package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// pageSize is the number of channels or sessions per request.
const pageSize = 1000

// History reads kept messages. If the messages after Since are no longer kept, the error is an
// [Error] with Oldest.
func (c *Client) History(ctx context.Context, channel string, o HistoryOptions) (HistoryPage, error) {
	op := fmt.Sprintf("read the history of %q", channel)
	if channel == "" {
		return HistoryPage{}, fmt.Errorf("read the history: %w", errNoChannel)
	}
	if err := o.check(op); err != nil {
		return HistoryPage{}, err
	}
	q := url.Values{}
	for name, position := range map[string]string{"since": o.Since, "before": o.Before} {
		if position != "" {
			q.Set(name, position)
		}
	}
	for name, n := range map[string]int{"limit": o.Limit, "last": o.Last} {
		if n != 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	if o.Times {
		q.Set("times", "true")
	}
	var text json.RawMessage
	if err := c.call(ctx, op, http.MethodGet, withQuery(channelPath(channel)+"/messages", q), nil, &text); err != nil {
		return HistoryPage{}, err
	}
	return readHistory(op, channel, text)
}

// Purge drops all messages that a channel keeps, and returns the position up to which they are gone. It
// needs a key with the verb admin. A purge that is repeated also drops messages that were published in
// between.
func (c *Client) Purge(ctx context.Context, channel string) (position string, err error) {
	if channel == "" {
		return "", fmt.Errorf("purge a channel: %w", errNoChannel)
	}
	var answer struct {
		Position string `json:"position"`
	}
	err = c.call(ctx, fmt.Sprintf("purge %q", channel), http.MethodDelete, channelPath(channel)+"/messages", nil, &answer)
	return answer.Position, err
}

// Presence returns the users on a channel whose rule has presence.
func (c *Client) Presence(ctx context.Context, channel string) (PresenceState, error) {
	if channel == "" {
		return PresenceState{}, fmt.Errorf("ask who is on a channel: %w", errNoChannel)
	}
	var state PresenceState
	op := fmt.Sprintf("ask who is on %q", channel)
	return state, c.call(ctx, op, http.MethodGet, channelPath(channel)+"/presence", nil, &state)
}

// ChannelInfo describes a channel.
type ChannelInfo struct {
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
	Position    string `json:"position"`       // the position of the newest message
	Oldest      string `json:"oldest"`         // the position after which every message is kept
	Rule        string `json:"rule,omitempty"` // the name of the channel rule that applies; "" if there is none
	Published   uint64 `json:"published"`      // messages since the server started
}

// Channel describes one channel. Every valid name is a channel, so it never reports a missing
// channel.
func (c *Client) Channel(ctx context.Context, name string) (ChannelInfo, error) {
	if name == "" {
		return ChannelInfo{}, fmt.Errorf("look at a channel: %w", errNoChannel)
	}
	var info ChannelInfo
	return info, c.call(ctx, fmt.Sprintf("look at channel %q", name), http.MethodGet, channelPath(name), nil, &info)
}

// Channels yields the channels whose names begin with prefix, sorted by name. It requests them page
// by page during the loop, so the list is not a snapshot. After an error the loop ends.
func (c *Client) Channels(ctx context.Context, prefix string) iter.Seq2[ChannelInfo, error] {
	q := url.Values{}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	return pages[ChannelInfo](ctx, c, "list channels", "/v2/channels", q)
}

// TopChannels returns the first channels in an order, of all nodes of a cluster: "subscribers" begins
// with the channels with the most subscribers, "messages" with those with the most messages. Limit is
// at most 1000.
func (c *Client) TopChannels(ctx context.Context, order string, limit int) ([]ChannelInfo, error) {
	var answer struct {
		Channels []ChannelInfo `json:"channels"`
	}
	q := url.Values{"order": {order}, "limit": {strconv.Itoa(limit)}}
	err := c.call(ctx, "list channels", http.MethodGet, withQuery("/v2/channels", q), nil, &answer)
	return answer.Channels, err
}

// SessionInfo describes a session: one connected subscriber.
type SessionInfo struct {
	Session   string    `json:"session"`
	User      string    `json:"user"`            // "" for an anonymous session
	Token     string    `json:"token,omitempty"` // the token's ID
	Transport string    `json:"transport"`
	Address   string    `json:"address"` // the client's IP address
	Since     time.Time `json:"since"`
	Joined    int       `json:"joined"`   // the number of joined channels
	Channels  []string  `json:"channels"` // only from [Client.Session]

	Behind    int    `json:"behind"`     // the number of messages that wait for the session
	BlockedMS int64  `json:"blocked_ms"` // for how long its connection has accepted no byte; 0 if it accepts them
	Sent      uint64 `json:"sent"`       // the number of messages written to it
	Gaps      uint64 `json:"gaps"`       // the number of gaps that it has received

	Places []Place `json:"places,omitempty"` // only from [Client.Session]
}

// A Place says how far a session is on a channel.
type Place struct {
	Channel  string `json:"channel"`
	Position string `json:"position"` // of the newest message written to the session
	Behind   int    `json:"behind"`   // the number of messages after it
}

var errNoSession = errors.New("the session's name is empty")

// Session describes one session and lists its channels.
func (c *Client) Session(ctx context.Context, session string) (SessionInfo, error) {
	if session == "" {
		return SessionInfo{}, errNoSession
	}
	var info SessionInfo
	return info, c.call(ctx, fmt.Sprintf("look at session %q", session), http.MethodGet, sessionPath(session), nil, &info)
}

// Sessions yields the sessions of a user, or all sessions if user is "". It requests them page by
// page during the loop, so the list is not a snapshot. After an error the loop ends.
func (c *Client) Sessions(ctx context.Context, user string) iter.Seq2[SessionInfo, error] {
	q := url.Values{}
	if user != "" {
		q.Set("user", user)
	}
	return pages[SessionInfo](ctx, c, "list sessions", "/v2/sessions", q)
}

// TopSessions returns the first sessions in an order, of all nodes of a cluster: "behind" begins with
// the sessions with the most waiting messages, "since" with the newest ones. Limit is at most 1000.
func (c *Client) TopSessions(ctx context.Context, order string, limit int) ([]SessionInfo, error) {
	var answer struct {
		Sessions []SessionInfo `json:"sessions"`
	}
	q := url.Values{"order": {order}, "limit": {strconv.Itoa(limit)}}
	err := c.call(ctx, "list sessions", http.MethodGet, withQuery("/v2/sessions", q), nil, &answer)
	return answer.Sessions, err
}

// EndSession ends a session for good: the server asks the client not to reconnect. The session's
// token stays valid.
func (c *Client) EndSession(ctx context.Context, session string) error {
	if session == "" {
		return errNoSession
	}
	return c.call(ctx, fmt.Sprintf("end session %q", session), http.MethodDelete, sessionPath(session), nil, nil)
}

func sessionPath(session string) string { return "/v2/sessions/" + url.PathEscape(session) }

// pages yields a list that the server returns in pages. The list's name in the response is the last
// element of path.
func pages[T any](ctx context.Context, c *Client, op, path string, q url.Values) iter.Seq2[T, error] {
	name := path[len("/v2/"):]
	return func(yield func(T, error) bool) {
		q := maps.Clone(q) // a second loop must start at the first page
		q.Set("limit", strconv.Itoa(pageSize))
		for {
			var none T
			var answer map[string]json.RawMessage
			if err := c.call(ctx, op, http.MethodGet, withQuery(path, q), nil, &answer); err != nil {
				yield(none, err)
				return
			}
			var list []T
			var next string
			err := readReply(op, answer[name], &list)
			if text, more := answer["next"]; more && err == nil {
				err = readReply(op, text, &next)
			}
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range list {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.Set("after", next)
		}
	}
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
