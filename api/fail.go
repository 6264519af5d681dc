package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/fault"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// fail answers a request below /v2/ with what is wrong: {"error":{...}}.
func (s *service) fail(w http.ResponseWriter, err error) {
	f := fault.Of(err)
	fault.SetRetryAfter(w.Header(), err)
	status := f.Status
	if status == 0 { // what only a session can meet
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, append(s.appendError(nil, err), '\n'))
}

// appendError appends {"error":{...}}. What is the server's own failure goes to the
// log, where alone it is told in full.
func (s *service) appendError(dst []byte, err error) []byte {
	told := fault.Wire(err)
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

// A staleError is a place in a log from which not everything is kept.
type staleError struct {
	error
	oldest engine.Position // from here on everything is
}

func (e *staleError) Unwrap() error { return e.error }

// malformed says what is wrong with a request.
func malformed(format string, a ...any) error {
	return fault.Malformed.With(fmt.Sprintf(format, a...))
}

var errOrigin = fault.OriginNotAllowed.With("Web pages of other origins may not use this API.")
