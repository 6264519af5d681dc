// Package fault is the table of all errors of protocol 2 (clause 2.6 of docs/protocol.md), for all
// transports. docs/errors.md and the error codes of the client libraries are generated from the
// table: run `go test ./fault -update`.
package fault

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// Retry says when the same request can succeed.
type Retry string

// The values of Retry.
const (
	Never    Retry = "never"
	Now      Retry = "now"
	Later    Retry = "later"
	NewToken Retry = "new_token" // with another token
)

// A Fault is one row of the table. It is also an error, for callers without a more exact message.
// Rows never change, and are compared by their address.
type Fault struct {
	Code  string
	Retry Retry

	// Status is the HTTP status of a request with this error; 0 if no HTTP request can have it.
	Status int

	// Close is the close code of a WebSocket session that ends with this error (clause 8.6); 0 if
	// no session does.
	Close int

	// RetryAfter is the minimum time to wait; 0 if there is none. A caller that knows a better time
	// uses After.
	RetryAfter time.Duration

	// Summary says what happened, and Do what to do. Both are sentences for people.
	Summary, Do string

	// causes are the errors that this row stands for, for errors.Is.
	causes []error
}

// Error returns the summary.
func (f *Fault) Error() string { return f.Summary }

// Is reports whether this row stands for the target.
func (f *Fault) Is(target error) bool { return slices.Contains(f.causes, target) }

// Refuses reports whether the error means that the client may not do something, at all or at
// present. Operators look for the reasons of such refusals. Other errors mean that a request is
// wrong, or that messages are missing.
func (f *Fault) Refuses() bool {
	switch f.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest, http.StatusTooManyRequests,
		http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return true
	}
	// Only sessions have these close codes. TooManyChannels limits their channels.
	return f.Close >= 4102 || f == TooManyChannels
}

// With returns an error for f with a more exact message, a sentence for the client.
func (f *Fault) With(message string) error { return &detailed{fault: f, message: message} }

// detailed is a Fault with another message.
type detailed struct {
	fault   *Fault
	message string
	wait    time.Duration // 0 means the table's value
}

func (e *detailed) Error() string { return e.message }
func (e *detailed) Unwrap() error { return e.fault }

// Of returns the row for an error: the row that it is or wraps, or the row that has it among its
// causes. If there is none, Of returns [Internal]. For nil it returns nil.
func Of(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	if bad := wire.V2Error(""); errors.As(err, &bad) {
		return Malformed
	}
	// This comparison is fast and finds most errors. Speed matters if a thousand sessions end at
	// once.
	if f := find(func(cause error) bool { return err == cause }); f != nil {
		return f
	}
	if f := find(func(cause error) bool { return errors.Is(err, cause) }); f != nil {
		return f
	}
	return Internal
}

// find returns the first row with a cause for which is returns true, or nil.
func find(is func(cause error) bool) *Fault {
	for _, f := range all {
		if slices.ContainsFunc(f.causes, is) {
			return f
		}
	}
	return nil
}

// Message returns the message of an error for a client: the error's text as a sentence. If the
// error is [Internal] or an error of the engine's store, Message returns only the summary, because
// the text may be confidential, such as the name of a file or of a host. It belongs in the log.
func Message(err error) string {
	f := Of(err)
	switch {
	case f == Internal, f == StorageFull, f == StorageFailed, f == ClusterUnavailable, errors.Is(err, boreas.ErrUnreadable):
		return f.Summary
	case errors.Is(err, engine.ErrClosed): // its text is about the hub, not about the server
		return ShuttingDown.Summary
	}
	return sentence(strings.ReplaceAll(err.Error(), "boreas: ", ""))
}

// sentence turns an error's text into a sentence. It adds a full stop, and a capital letter unless
// the first word is special, such as an option's name.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if next, _ := utf8.DecodeRuneInString(s[size:]); unicode.IsLower(next) || next == ' ' {
		s = string(unicode.ToUpper(first)) + s[size:]
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// Docs returns where the fault is described, as a path in this repository.
func (f *Fault) Docs() string { return "docs/errors.md#" + f.Code }

// All returns the table, in the order of the documentation.
func All() []*Fault { return append([]*Fault(nil), all...) }
