package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// TestDebugListen: profiles are at an address of their own, and not on the two ports.
func TestDebugListen(t *testing.T) {
	s := start(t, testConfig(func(c *config.Config) { c.DebugListen = "127.0.0.1:0" }), Options{})
	address := s.profiles.listener.Addr().String()
	get := func(address, path string, change func(*http.Request)) (int, string) {
		t.Helper()
		r, err := http.NewRequest("GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Close = true; change != nil {
			change(r)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for path, part := range map[string]string{
		"/debug/pprof/": "heap", "/debug/pprof/goroutine?debug=2": "goroutine ", "/debug/vars": `"memstats"`,
	} {
		status, body := get(address, path, nil)
		if status != http.StatusOK || !strings.Contains(body, part) {
			t.Errorf("%s: %d %.100s", path, status, body)
		}
		for _, port := range []string{s.APIAddr().String(), s.WSAddr().String()} {
			if status, body := get(port, path, nil); status == http.StatusOK {
				t.Errorf("%s on a public port: %d %.100s", path, status, body)
			}
		}
	}
	for name, change := range map[string]func(*http.Request){
		"another host": func(r *http.Request) { r.Host = "evil.example:6060" },
		"a page":       func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") },
	} {
		if status, body := get(address, "/debug/pprof/", change); status != http.StatusForbidden {
			t.Errorf("%s: %d %.100s", name, status, body)
		}
	}
}

func TestDebugHandlerIsBounded(t *testing.T) {
	s := start(t, testConfig(func(c *config.Config) { c.DebugListen = "127.0.0.1:0" }), Options{})
	address := "http://" + s.profiles.listener.Addr().String()
	ask := func(path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", address+path, nil)
		if err != nil {
			return nil, err
		}
		r.Close = true
		return http.DefaultTransport.RoundTrip(r)
	}
	for range maxProfiles { // a delta of the goroutines takes its time
		go ask("/debug/pprof/goroutine?seconds=300") //nolint:errcheck // the server ends it
	}
	waitUntil(t, func() bool {
		resp, err := ask("/debug/pprof/")
		if err != nil {
			t.Error(err)
			return true
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
}
