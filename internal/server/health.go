package server

import (
	"io"
	"net/http"
)

// health answers the health URLs of the subscribers' port, for load balancers that check the port
// to which they send clients. These requests are not limited and need no token, so the response
// only says whether the server is ready. The API's port has the reason.
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
		if r.ProtoMajor == 1 { // an HTTP/2 connection may carry event streams
			h.Set("Connection", "close")
		}
		text := "ok\n"
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			text = "This path accepts only GET and HEAD.\n"
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
			text = "not ready\n"
		}
		io.WriteString(w, text)
	})
}
