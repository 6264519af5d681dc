package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// TestHandlerPanics: a panic of a handler ends its connection. The log has one line, with the
// stack.
func TestAHandlerThatPanics(t *testing.T) {
	logger, log := testlog.New()
	s := &Server{log: logger}
	served := httptest.NewServer(s.surviving(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			panic("the handler is broken")
		}
	})))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // otherwise the client retries
	for _, path := range []string{"/broken", "/", "/broken", "/"} {
		resp, err := client.Get(served.URL + path)
		if (err == nil) != (path == "/") {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	served.Close()
	if n := s.panics.Load(); n != 2 {
		t.Errorf("counted %d", n)
	}
	if said := log.String(); strings.Count(said, "\n") != 2 || strings.Count(said, `panic="the handler is broken"`) != 2 || !strings.Contains(said, "panics_test.go") {
		t.Errorf("the log: %s", said)
	}
}
