package api

import "net/http"

// healthz responds while the process works. A supervisor restarts a process that does not respond.
func (s *service) healthz(w http.ResponseWriter, _ *http.Request, _ *call) {
	writeText(w, http.StatusOK, []byte("ok\n"))
}

// readyz tells a load balancer whether to send traffic to this server.
func (s *service) readyz(w http.ResponseWriter, _ *http.Request, _ *call) {
	if s.options.Ready != nil {
		if err := s.options.Ready(); err != nil {
			writeText(w, http.StatusServiceUnavailable, []byte(err.Error()+"\n"))
			return
		}
	}
	writeText(w, http.StatusOK, []byte("ok\n"))
}
