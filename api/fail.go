package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// fail refuses a request below /v2/ with {"error":{...}}.
func (s *service) fail(w http.ResponseWriter, err error) {
	f := fault.Of(err)
	fault.SetRetryAfter(w.Header(), err)
	status := f.Status
	if status == 0 { // an error of a session
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, append(s.appendError(nil, err), '\n'))
}

// appendError appends {"error":{...}}. For a failure of the server it logs the full error, which
// the response does not contain.
func (s *service) appendError(dst []byte, err error) []byte {
	told := protocol2.Fault(err)
	if fault.Of(err) == fault.Internal {
		var p *boreas.EnginePanicError
		if errors.As(err, &p) {
			s.options.Log.Error("the engine panicked", "panic", p.Value, "stack", string(p.Stack))
		} else {
			s.options.Log.Error("a request to the API failed", "error", err)
		}
	}
	var stale *staleError
	if errors.As(err, &stale) {
		told.Oldest = stale.oldest.Append(nil)
	}
	return wire.AppendV2Error(dst, nil, &told)
}

// A staleError reports a position after which messages are no longer kept.
type staleError struct {
	error
	oldest engine.Position // the oldest position after which every message is kept
}

func (e *staleError) Unwrap() error { return e.error }

// malformed returns the error for an invalid request.
func malformed(format string, a ...any) error {
	return fault.Malformed.With(fmt.Sprintf(format, a...))
}

var errOrigin = fault.OriginNotAllowed.With("Web pages of other origins may not use this API.")
