// Package fault is the table of all errors of protocol 2: what clients of every
// transport are told, as clause 2.6 of docs/protocol.md has it. From it come
// docs/errors.md and the constants of the clients; `go test ./internal/fault -update`
// writes them anew.
package fault

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// Retry tells when the same request can succeed.
type Retry string

// The values of Retry.
const (
	Never    Retry = "never"
	Now      Retry = "now"
	Later    Retry = "later"
	NewToken Retry = "new_token" // once with another token
)

// A Fault is one row of the table. It is an error too, for what has no better words.
// Rows are never changed, and are compared by their address.
type Fault struct {
	Code  string
	Retry Retry

	// Status is the HTTP status of a request that fails so; 0 if none can.
	Status int

	// Close is the close code of a WebSocket session that ends so (clause 8.6); 0 if
	// none does.
	Close int

	// RetryAfter is how long to wait at least; 0 if there is nothing to say. Who
	// knows better says it with After.
	RetryAfter time.Duration

	// Summary says what happened, and Do what to do: sentences for people.
	Summary, Do string

	// causes are the errors that mean this, for errors.Is.
	causes []error
}

// Error returns the summary.
func (f *Fault) Error() string { return f.Summary }

// Is tells whether the fault is what the target means.
func (f *Fault) Is(target error) bool { return slices.Contains(f.causes, target) }

// Refuses tells whether the fault says that somebody may not do something, or not now:
// what people ask the reason of. Others say that a request is wrong, or what has become of
// messages.
func (f *Fault) Refuses() bool {
	switch f.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest, http.StatusTooManyRequests,
		http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return true
	}
	// What only sessions meet, and the bound on their channels.
	return f.Close >= 4102 || f == TooManyChannels
}

// With returns an error that is f and tells more: a sentence for the client.
func (f *Fault) With(message string) error { return &told{fault: f, message: message} }

// told is a fault in other words.
type told struct {
	fault   *Fault
	message string
	wait    time.Duration // 0 if the table knows
}

func (e *told) Error() string { return e.message }
func (e *told) Unwrap() error { return e.fault }

// Of returns the row for an error: the row that it is or wraps, or the one that has it
// among its causes. An error that no row knows is [Internal], nil is nil.
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
	// Most are the very errors of the table, and a thousand sessions may end at once.
	if f := find(func(cause error) bool { return err == cause }); f != nil {
		return f
	}
	if f := find(func(cause error) bool { return errors.Is(err, cause) }); f != nil {
		return f
	}
	return Internal
}

// find returns the first row that has a cause for which is returns true, nil if none has.
func find(is func(cause error) bool) *Fault {
	for _, f := range all {
		if slices.ContainsFunc(f.causes, is) {
			return f
		}
	}
	return nil
}

// Message returns what a client is told of an error: its text as a sentence. Of an
// error that is [Internal] it is the summary alone: the text may be nobody's business,
// and belongs in the log.
func Message(err error) string {
	switch {
	case Of(err) == Internal:
		return Internal.Summary
	case errors.Is(err, engine.ErrClosed): // which speaks of the hub, not of the server
		return ShuttingDown.Summary
	}
	return sentence(strings.ReplaceAll(err.Error(), "boreas: ", ""))
}

// sentence writes an error's text as a sentence: with a capital letter, unless the
// first word is no plain one, and with a full stop.
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

// Wire returns what a client is told of an error, for the functions of package wire.
// The caller may set more. The error must not be nil.
func Wire(err error) wire.V2Fault {
	f := Of(err)
	return wire.V2Fault{
		Code:         f.Code,
		Message:      Message(err),
		Retry:        string(f.Retry),
		Docs:         f.Docs(),
		RetryAfterMS: roundUp(Wait(err), time.Millisecond),
	}
}

// Docs returns where the fault is described, as a path in this repository.
func (f *Fault) Docs() string { return "docs/errors.md#" + f.Code }

// All returns the table, in the order of the documentation.
func All() []*Fault { return append([]*Fault(nil), all...) }
