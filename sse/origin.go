package sse

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// admit sets in the header what lets a page of the origin read the answer, be it a
// stream or a refusal (clause 10.8). It returns false if the page may not. What is no
// browser's page names no origin, and may.
func (h *handler) admit(header http.Header, origin string) bool {
	value, ok := h.options.AllowOrigin(origin)
	if value != "*" {
		header.Set("Vary", "Origin") // also for who asks without one
	}
	if !ok {
		return origin == ""
	}
	header.Set("Access-Control-Allow-Origin", value)
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	return true
}

// preflight answers a browser that asks which requests a page may send (Fetch, section
// "CORS-preflight request").
//
// The page may send any header, because its origin was checked and headers that the server does not know have no effect. A fixed
// list could not include the headers that tracing and a backend's auth_url_headers add.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET")
	h.Set("Access-Control-Allow-Headers", strings.Join(append([]string{"Authorization", "Cache-Control", "Last-Event-ID"}, requested(r)...), ", "))
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// maxRequested bounds how many header names the answer to one preflight request has.
const maxRequested = 100

// requested returns the names of the headers that a page wants to send. net/http has bounded the header that they came in.
func requested(r *http.Request) []string {
	var names []string
	for name := range strings.SplitSeq(strings.Join(r.Header["Access-Control-Request-Headers"], ","), ",") {
		if name = strings.TrimSpace(name); httpguts.ValidHeaderFieldName(name) && len(names) < maxRequested {
			names = append(names, name)
		}
	}
	return names
}
