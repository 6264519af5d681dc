package sse

import "net/http"

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

// preflight answers a browser that asks what a page may send (Fetch, section
// "CORS-preflight request").
func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET")
	h.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}
