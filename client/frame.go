package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// A frame is a message of protocol 2 from the server. It is a reply if it has an id, it concerns a
// channel if it has a channel, and otherwise it concerns the connection.
type frame struct {
	ID    json.RawMessage `json:"id"`
	Error *refused        `json:"error"`

	Auth    *authReply      `json:"auth"`
	Join    *joinReply      `json:"join"`
	Publish json.RawMessage `json:"publish"`
	History json.RawMessage `json:"history"`

	Channel  *string         `json:"channel"`
	Message  json.RawMessage `json:"message"`
	Position string          `json:"position"`
	Gap      *Gap            `json:"gap"`
	Presence json.RawMessage `json:"presence"` // with a channel, an event; otherwise a reply

	Hello    *hello    `json:"hello"`
	Goodbye  *goodbye  `json:"goodbye"`
	Expiring *expiring `json:"expiring"`
}

type hello struct {
	Protocol  int    `json:"protocol"`
	Session   string `json:"session"`
	User      string `json:"user"`      // set if the handshake authenticated, by a cookie or the URL
	Heartbeat int    `json:"heartbeat"` // seconds
	Limits    struct {
		FrameBytes int `json:"frame_bytes"`
	} `json:"limits"`
}

type goodbye struct {
	Error     *refused `json:"error"`
	Reconnect *struct {
		AfterMS int64 `json:"after_ms"`
	} `json:"reconnect"`
}

type authReply struct {
	User string `json:"user"`
}

type joinReply struct {
	Channels []joinResult `json:"channels"`
}

type joinResult struct {
	Channel   string         `json:"channel"`
	Error     *refused       `json:"error"`
	Position  string         `json:"position"`
	Recovered bool           `json:"recovered"`
	Gap       *Gap           `json:"gap"`
	Oldest    string         `json:"oldest"`
	Presence  *PresenceState `json:"presence"`
}

type authRequest struct {
	Token string `json:"token"`
}

type leaveRequest struct {
	Channels []string `json:"channels"`
}

type presenceRequest struct {
	Channel string `json:"channel"`
}

type historyRequest struct {
	Channel string `json:"channel"`
	Since   string `json:"since,omitempty"`
	Before  string `json:"before,omitempty"`
	Limit   int    `json:"limit,omitempty"`
	Last    int    `json:"last,omitempty"`
	Times   bool   `json:"times,omitempty"`
}

type joinRequest struct {
	Channels []joinChannel `json:"channels"`
}

type joinChannel struct {
	Channel  string          `json:"channel"`
	Since    string          `json:"since,omitempty"`
	Last     int             `json:"last,omitempty"`
	Presence bool            `json:"presence,omitempty"`
	Info     json.RawMessage `json:"info,omitempty"`
}

// refused is an error as the server sends it, over WebSocket and HTTP.
type refused struct {
	Code         string `json:"code"`
	Message      string `json:"message"`
	Retry        string `json:"retry"`
	Docs         string `json:"docs"`
	RetryAfterMS int64  `json:"retry_after_ms"`
	Oldest       string `json:"oldest"`
}

// as returns the [Error] for the given operation.
func (r *refused) as(op string) *Error {
	return &Error{
		Op: op, Code: r.Code, Message: r.Message, Retry: r.Retry, Docs: r.Docs, Oldest: r.Oldest,
		RetryAfter: time.Duration(r.RetryAfterMS) * time.Millisecond,
	}
}

// parseFrame parses a message from the server.
func parseFrame(text []byte) (*frame, error) {
	f := new(frame)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("the server sent a message that is not of protocol 2: %w", err)
	}
	return f, nil
}

// id returns the id of the request that the frame answers.
func (f *frame) id() (uint64, bool) {
	id, err := strconv.ParseUint(string(f.ID), 10, 64)
	return id, err == nil
}

// requestFrame returns the frame of a request.
func requestFrame(id uint64, kind string, params any) ([]byte, error) {
	text, ok := params.(rawParams)
	if !ok {
		var err error
		if text, err = encode(params); err != nil {
			return nil, err
		}
	}
	return fmt.Appendf(nil, `{"id":%d,%q:%s}`, id, kind, text), nil
}

// encode returns the JSON of a value, without the escapes for HTML.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(text.Bytes()), nil
}
