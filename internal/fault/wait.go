package fault

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// After is like [Fault.With], for who knows better than the table how long to wait.
func (f *Fault) After(message string, wait time.Duration) error { return &told{f, message, wait} }

// Wait returns how long a client that is told of the error has to wait at least: what
// was said with [Fault.After], or what the table says; 0 if there is nothing to say.
func Wait(err error) time.Duration {
	var t *told
	if errors.As(err, &t) && t.wait > 0 {
		return t.wait
	}
	if f := Of(err); f != nil {
		return f.RetryAfter
	}
	return 0
}

// SetRetryAfter says in the header of an HTTP answer how long to wait after the error,
// in seconds, rounded up: who comes too early is refused again. It says nothing if
// there is nothing to say.
func SetRetryAfter(header http.Header, err error) {
	if wait := Wait(err); wait > 0 {
		header.Set("Retry-After", strconv.FormatInt(roundUp(wait, time.Second), 10))
	}
}

// roundUp returns in how many units the time is over.
func roundUp(d, unit time.Duration) int64 {
	n := int64(d / unit)
	if d%unit > 0 {
		n++
	}
	return n
}
