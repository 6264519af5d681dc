package api

import (
	"cmp"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// serve handles one request.
func (s *service) serve(t *routes, w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if path == "" { // an absolute target without a path (RFC 9112, section 3.2.1)
		path = "/"
	}
	m, in := t.find(path)
	method := r.Method
	if method == "HEAD" { // net/http omits the body
		method = "GET"
	}
	found := m[method]
	counted := t.none.answers
	if found != nil {
		counted = found.answers
	}
	rec := recorders.Get().(*recorder)
	rec.ResponseWriter, rec.status, rec.hub, rec.request, rec.plain = w, http.StatusOK, s.hub, r, s.options.Uncompressed
	switch {
	case found != nil:
		s.serveRoute(found, rec, r, in)
	case m != nil:
		s.refuseMethod(rec, r, m.allow())
	default:
		s.refusePath(rec, r)
	}
	counted.add(rec.status)
	rec.held.release()
	rec.ResponseWriter, rec.request, rec.call = nil, nil, call{}
	recorders.Put(rec)
}

// serveRoute handles a request for a known route, if the caller is authorized.
func (s *service) serveRoute(found *route, rec *recorder, r *http.Request, in names) {
	rec.call = call{route: found, name: cmp.Or(found.fixed, in[0]), position: in[1]}
	if err := s.authorize(r, &rec.call); err != nil {
		s.deny(rec, r, &rec.call, err)
		return
	}
	found.serve(rec, r, &rec.call)
}

// refuseMethod refuses a request for a known path with an unknown method.
func (s *service) refuseMethod(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	if isV2(r) {
		s.fail(w, fault.MethodNotAllowed.With("This path accepts only "+allow+"."))
		return
	}
	s.refuse(w, refusedMethod, http.StatusMethodNotAllowed, "This path accepts only "+allow+".")
}

// refusePath refuses a request for an unknown path.
func (s *service) refusePath(w http.ResponseWriter, r *http.Request) {
	if isV2(r) {
		s.fail(w, fault.NotFound)
		return
	}
	s.refuse(w, refusedPath, http.StatusNotFound, "There is nothing at this path.")
}

// isV2 reports whether the errors of a request without a handler have the format of protocol 2. One
// path below /v2/ is classic: /v2/token/, for the channel v2.
func isV2(r *http.Request) bool {
	path := r.URL.EscapedPath()
	return (path == "/v2" || strings.HasPrefix(path, "/v2/")) && path != "/v2/token/"
}

// A recorder records the status of a response. It also contains the call, so that one pool reuses
// both.
type recorder struct {
	http.ResponseWriter
	status int
	call   call

	hub     *boreas.Hub
	request *http.Request
	held    heldBytes
	plain   bool // responses are never compressed
}

var recorders = sync.Pool{New: func() any { return new(recorder) }}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is used by [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// statuses are the statuses of the API's responses.
var statuses = [...]int{200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 410, 413, 421, 422, 429, 500, 503, 507}

// answers counts responses by status. The last element counts all other statuses.
type answers [len(statuses) + 1]atomic.Uint64

func (a *answers) add(status int) {
	i := 0
	for i < len(statuses) && statuses[i] != status {
		i++
	}
	a[i].Add(1)
}
