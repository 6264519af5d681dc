package server

import (
	"io"
	"net/http"
)

// health answers the health URLs of the subscribers' port, for load balancers that can only look
// at the port that they send clients to. No limit counts these requests, and they need no token,
// so they only reveal whether the server is ready. The reason is available on the API's port.
func (s *Server) health(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		switch r.URL.Path {
		case "/healthz":
		case "/readyz":
			err = s.Ready()
		default:
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.ProtoMajor == 1 { // an HTTP/2 connection may have streams of events on it
			h.Set("Connection", "close")
		}
		text := "ok\n"
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			text = "This path takes GET and HEAD only.\n"
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
			text = "not ready\n"
		}
		io.WriteString(w, text)
	})
}
