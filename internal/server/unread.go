package server

import (
	"net/http"
	"time"
)

// boundUnread bounds the time in which net/http waits for a body that the handler has left
// unread: it reads the rest before it answers, or before it closes the connection. Without
// an end, a peer that promises a body and sends none holds the connection for ever.
func (s *Server) boundUnread(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A stream of HTTP/2 ends with its answer. A WebSocket, whose connection the handler
		// takes over, has no body. A handler that reads the body sets a deadline of its own.
		if r.ContentLength != 0 && r.ProtoMajor == 1 {
			// The server resets the deadline for the next request. A test's recorder cannot have one.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.HeaderTimeout))
		}
		next.ServeHTTP(w, r)
	})
}
