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

// pageSize is how many channels or sessions are asked for at once.
const pageSize = 1000

// History reads messages that are kept. If those after Since are not kept any more,
// the [Error] has Oldest.
func (c *Client) History(ctx context.Context, channel string, o HistoryOptions) (HistoryPage, error) {
	op := fmt.Sprintf("read the history of %q", channel)
	if channel == "" {
		return HistoryPage{}, fmt.Errorf("read the history: %w", errNoChannel)
	}
	q := url.Values{}
	if o.Since != "" {
		q.Set("since", o.Since)
	}
	if o.Limit != 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	var text json.RawMessage
	if err := c.call(ctx, op, http.MethodGet, withQuery(channelPath(channel)+"/messages", q), nil, &text); err != nil {
		return HistoryPage{}, err
	}
	return readHistory(op, channel, text)
}

// Presence asks who is on a channel whose rule has presence.
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
	Position    string `json:"position"`       // the position of its newest message
	Oldest      string `json:"oldest"`         // the position after which every message is kept
	Rule        string `json:"rule,omitempty"` // the channels' rule that applies to it; "" if there is none
}

// Channel describes one channel. Each that has a name exists.
func (c *Client) Channel(ctx context.Context, name string) (ChannelInfo, error) {
	if name == "" {
		return ChannelInfo{}, fmt.Errorf("look at a channel: %w", errNoChannel)
	}
	var info ChannelInfo
	return info, c.call(ctx, fmt.Sprintf("look at channel %q", name), http.MethodGet, channelPath(name), nil, &info)
}

// Channels yields the channels whose names begin with the prefix, sorted by name, as
// they are while the loop goes on. An error is the last that is yielded.
func (c *Client) Channels(ctx context.Context, prefix string) iter.Seq2[ChannelInfo, error] {
	q := url.Values{}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	return pages[ChannelInfo](ctx, c, "list channels", "/v2/channels", q)
}

// SessionInfo describes a session: one subscriber that is connected.
type SessionInfo struct {
	Session   string    `json:"session"`
	User      string    `json:"user"`            // "" while anonymous
	Token     string    `json:"token,omitempty"` // the ID of its token
	Transport string    `json:"transport"`
	Address   string    `json:"address"` // of the peer
	Since     time.Time `json:"since"`
	Joined    int       `json:"joined"`   // how many channels
	Channels  []string  `json:"channels"` // from [Client.Session] only
}

var errNoSession = errors.New("the session's name is empty")

// Session describes one session, with its channels.
func (c *Client) Session(ctx context.Context, session string) (SessionInfo, error) {
	if session == "" {
		return SessionInfo{}, errNoSession
	}
	var info SessionInfo
	return info, c.call(ctx, fmt.Sprintf("look at session %q", session), http.MethodGet, sessionPath(session), nil, &info)
}

// Sessions yields the sessions of a user, or all if user is "", as they are while the
// loop goes on. An error is the last that is yielded.
func (c *Client) Sessions(ctx context.Context, user string) iter.Seq2[SessionInfo, error] {
	q := url.Values{}
	if user != "" {
		q.Set("user", user)
	}
	return pages[SessionInfo](ctx, c, "list sessions", "/v2/sessions", q)
}

// EndSession ends a session for good: its client is told not to come back by itself.
// Its token stays valid.
func (c *Client) EndSession(ctx context.Context, session string) error {
	if session == "" {
		return errNoSession
	}
	return c.call(ctx, fmt.Sprintf("end session %q", session), http.MethodDelete, sessionPath(session), nil, nil)
}

func sessionPath(session string) string { return "/v2/sessions/" + url.PathEscape(session) }

// pages yields a list that comes in pages. The list stands in the answer under the last
// word of the path.
func pages[T any](ctx context.Context, c *Client, op, path string, q url.Values) iter.Seq2[T, error] {
	name := path[len("/v2/"):]
	return func(yield func(T, error) bool) {
		q := maps.Clone(q) // a loop leaves no traces for the next
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
