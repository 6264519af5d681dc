package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An Error is a server's answer that is not a success.
type Error struct {
	Op         string        // what was asked for, as in `broadcast on "chat"`
	Status     int           // the HTTP status
	Errors     []string      // the reasons the server gave; none if its answer was not in its usual form
	RetryAfter time.Duration // what the server asked to wait; 0 if it did not say
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: the server answered %d", e.Op, e.Status)
	if text := http.StatusText(e.Status); text != "" {
		b.WriteString(" " + text)
	}
	if len(e.Errors) > 0 {
		b.WriteString(": " + strings.Join(e.Errors, "; "))
	}
	return b.String()
}

// ErrMayHaveMissed is what every [Reconnected] is, for errors.Is.
var ErrMayHaveMissed = errors.New("messages may have been missed")

// ErrInUse is yielded by [Subscriber.Messages] while another loop ranges over the
// same subscriber.
var ErrInUse = errors.New("the subscriber is already being ranged over; make one subscriber for each loop")

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

// withoutURL takes the URL out of net/http's errors: the path of a token's
// deletion is the token, and errors end up in logs.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
