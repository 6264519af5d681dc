package api

import "net/http"

// healthz answers as long as the process can: a supervisor restarts what does not.
func (s *service) healthz(w http.ResponseWriter, _ *http.Request, _ *call) {
	writeText(w, http.StatusOK, []byte("ok\n"))
}

// readyz tells a load balancer whether to send traffic here.
func (s *service) readyz(w http.ResponseWriter, _ *http.Request, _ *call) {
	if s.options.Ready != nil {
		if err := s.options.Ready(); err != nil {
			writeText(w, http.StatusServiceUnavailable, []byte(err.Error()+"\n"))
			return
		}
	}
	writeText(w, http.StatusOK, []byte("ok\n"))
}
