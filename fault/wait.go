package fault

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// After is like [Fault.With], for a caller that knows a better time to wait than the table.
func (f *Fault) After(message string, wait time.Duration) error { return &detailed{f, message, wait} }

// Wait returns the minimum time that a client has to wait after the error: the time of
// [Fault.After], or the table's. It returns 0 if there is none.
func Wait(err error) time.Duration {
	var t *detailed
	if errors.As(err, &t) && t.wait > 0 {
		return t.wait
	}
	if f := Of(err); f != nil {
		return f.RetryAfter
	}
	return 0
}

// SetRetryAfter sets the header Retry-After to the time to wait after the error, if there is one.
// It rounds up to seconds, because a client that retries too early is refused again.
func SetRetryAfter(header http.Header, err error) {
	if wait := Wait(err); wait > 0 {
		header.Set("Retry-After", strconv.FormatInt(roundUp(wait, time.Second), 10))
	}
}

// roundUp returns d in units, rounded up.
func roundUp(d, unit time.Duration) int64 {
	n := int64(d / unit)
	if d%unit > 0 {
		n++
	}
	return n
}
