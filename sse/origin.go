package sse

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// allowOrigin sets the headers that allow a page of the origin to read the response, which may be
// a stream or a refusal (clause 10.8). It returns false if the page may not connect. Clients other
// than browsers send no origin and may connect.
func (h *handler) allowOrigin(header http.Header, origin string) bool {
	value, ok := h.options.AllowOrigin(origin)
	if value != "*" {
		header.Set("Vary", "Origin") // also if the request has no origin
	}
	if !ok {
		return origin == ""
	}
	header.Set("Access-Control-Allow-Origin", value)
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	return true
}

// preflight answers a CORS preflight request (Fetch, section "CORS-preflight request").
//
// The page may send any header, because its origin was checked and headers that the server does not
// know have no effect. A fixed list could not include the headers that tracing and a backend's
// auth_url_headers add.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET")
	h.Set("Access-Control-Allow-Headers", strings.Join(append([]string{"Authorization", "Cache-Control", "Last-Event-ID"}, requested(r)...), ", "))
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// maxRequested is the maximum number of header names in the response to a preflight request.
const maxRequested = 100

// requested returns the names of the headers that a page wants to send. net/http limits the size of
// the list.
func requested(r *http.Request) []string {
	var names []string
	for name := range strings.SplitSeq(strings.Join(r.Header["Access-Control-Request-Headers"], ","), ",") {
		if name = strings.TrimSpace(name); httpguts.ValidHeaderFieldName(name) && len(names) < maxRequested {
			names = append(names, name)
		}
	}
	return names
}
