package server

import (
	"net/http"
	"time"
)

// boundUnread limits how long net/http waits for a body that the handler has not read. net/http
// reads the rest of the body before it answers or closes the connection. Without a limit, a peer
// that announces a body and sends none would hold the connection forever.
func (s *Server) boundUnread(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An HTTP/2 stream ends with its response. A WebSocket request has no body. A handler that
		// reads the body sets its own deadline.
		if r.ContentLength != 0 && r.ProtoMajor == 1 {
			// The server resets the deadline for the next request. A test's recorder does not
			// support deadlines.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.HeaderTimeout))
		}
		next.ServeHTTP(w, r)
	})
}
