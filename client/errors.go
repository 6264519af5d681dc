package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// An Error is a server's refusal: an answer over HTTP that is not a success, an
// error that answers a request over a WebSocket, or the reason why the server closed
// it.
type Error struct {
	Op string // what was asked for, as in `publish on "chat"`

	Status int // the HTTP status; 0 over a WebSocket
	Close  int // the close code, when the server closed a WebSocket, otherwise 0

	// What protocol 2 and the paths under /v2 say. docs/errors.md lists the codes.
	Code    string // "" if the server gave none
	Message string // a sentence for people
	Retry   string // when the same can succeed: "now", "later", "new_token" or "never"
	Docs    string // where Code is described
	Oldest  string // with "expired", "unknown_epoch" and "ahead": the oldest position from which everything is kept

	// Errors are the reasons that the classic paths give.
	Errors []string

	RetryAfter time.Duration // what the server asked to wait; 0 if it did not say
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

// hopeless tells whether the same request can't be expected to succeed later, going
// by the status only.
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

// ErrMayHaveMissed is what every [Gap] and every [Reconnected] is, for errors.Is.
var ErrMayHaveMissed = errors.New("messages may have been missed")

// ErrInUse is yielded by [Subscription.Events] and [Subscriber.Messages] while
// another loop ranges over the same.
var ErrInUse = errors.New("it is already being ranged over, and only one loop at a time can")

// Reconnected is yielded by [Subscriber.Messages] when the connection was lost and
// is there again: messages published in between were missed, and the classic wire
// cannot say which. It comes before every message of the new connection, and once
// the server has taken the joins, so whoever now reads the state anew misses
// nothing. It does not end the loop: a caller that knows what to do goes on.
type Reconnected struct {
	Lost  error         // why the connection before was lost
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

// opError says what was being done when the error came.
func opError(op string, err error) error { return fmt.Errorf("%s: %w", op, err) }
