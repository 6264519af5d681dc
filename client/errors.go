package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// An Error is a refusal by the server: an unsuccessful HTTP response, an error reply over a
// WebSocket, or the reason why the server closed the WebSocket.
type Error struct {
	Op string // the operation, such as `publish on "chat"`

	Status int // the HTTP status; 0 over a WebSocket
	Close  int // the close code if the server closed the WebSocket, otherwise 0

	// From protocol 2 and the paths under /v2. docs/errors.md lists the codes.
	Code    string // "" if the server sent none
	Message string // a sentence for humans
	Retry   string // when a retry can succeed: "now", "later", "new_token" or "never"
	Docs    string // the URL of the code's description
	Oldest  string // with "expired", "unknown_epoch" and "ahead": the oldest position after which every message is kept

	// Errors are the reasons from the classic paths.
	Errors []string

	RetryAfter time.Duration // how long the server asked to wait; 0 if it did not say
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	switch text := http.StatusText(e.Status); {
	case e.Close != 0:
		fmt.Fprintf(&b, ": the server closed the connection with %d", e.Close)
	case e.Status == 0:
		b.WriteString(": the server refused")
	case text == "":
		fmt.Fprintf(&b, ": the server answered %d", e.Status)
	default:
		fmt.Fprintf(&b, ": the server answered %d %s", e.Status, text)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if len(e.Errors) > 0 {
		b.WriteString(": " + strings.Join(e.Errors, "; "))
	}
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	return b.String()
}

// hopeless reports whether the status means that a retry cannot succeed.
func (e *Error) hopeless() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.Status >= 300 && e.Status <= 499
}

// mute reports whether the response comes from a proxy whose server does not answer.
func (e *Error) mute() bool {
	switch e.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return e.Code == "" && e.RetryAfter == 0
	}
	return false
}

// ErrMayHaveMissed matches every [Gap] and every [Reconnected] in errors.Is.
var ErrMayHaveMissed = errors.New("messages may have been missed")

// ErrInUse is yielded by [Subscription.Events] and [Subscriber.Messages] if another loop already
// ranges over the same subscription or subscriber.
var ErrInUse = errors.New("another loop is already ranging over it, and only one may do so at a time")

// Reconnected is yielded by [Subscriber.Messages] after the connection was lost and restored.
// Messages that were published in between were missed, and the classic wire cannot say which.
//
// It is yielded when the server has processed the joins and before any message of the new
// connection. A caller that now fetches the current state therefore misses nothing. The loop can
// continue.
type Reconnected struct {
	Lost  error         // why the previous connection was lost
	After time.Duration // how long there was no connection
}

func (r *Reconnected) Error() string {
	return fmt.Sprintf("reconnected after %s without a connection (%v): %v",
		r.After.Round(time.Millisecond), r.Lost, ErrMayHaveMissed)
}

// Is makes errors.Is(err, ErrMayHaveMissed) true.
func (r *Reconnected) Is(target error) bool { return target == ErrMayHaveMissed }

// Unwrap returns why the connection was lost.
func (r *Reconnected) Unwrap() error { return r.Lost }

// opError adds the operation to an error.
func opError(op string, err error) error { return fmt.Errorf("%s: %w", op, err) }
