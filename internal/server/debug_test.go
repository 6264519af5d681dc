package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
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
		"/debug/pprof/": "/debug/pprof/heap?debug=1\n", "/debug/pprof/goroutine?debug=2": "goroutine ", "/debug/vars": `"memstats"`,
		"/debug/pprof/heap": "\x1f\x8b", "/debug/pprof/profile?seconds=1": "\x1f\x8b", "/debug/pprof/trace?seconds=1": "go 1.",
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
	for path, want := range map[string]int{
		"/debug/pprof/unknown": http.StatusNotFound, "/debug/pprof/heap?debug=3": http.StatusBadRequest,
		"/debug/pprof/profile?seconds=541": http.StatusBadRequest, "/debug/pprof/trace?seconds=-1": http.StatusBadRequest,
	} {
		if status, body := get(address, path, nil); status != want {
			t.Errorf("%s: %d %.100s", path, status, body)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"another host": func(r *http.Request) { r.Host = "evil.example:6060" },
		"a page":       func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") },
		"an image":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		if status, body := get(address, "/debug/pprof/", change); status != http.StatusForbidden {
			t.Errorf("%s: %d %.100s", name, status, body)
		}
	}
}

// TestProfileAgain: one profile of the processor is taken at a time, and it ends when its client has gone.
func TestProfileAgain(t *testing.T) {
	h := debugHandler()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ask := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(gone, "GET", "http://localhost/debug/pprof/profile?seconds=300", nil))
		return w.Code
	}
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Fatal(err)
	}
	if code := ask(); code != http.StatusConflict {
		t.Errorf("a second profile: %d", code)
	}
	pprof.StopCPUProfile()
	for range 2 {
		if code := ask(); code != http.StatusOK {
			t.Errorf("a profile after another: %d", code)
		}
	}
}

func TestDebugRequestsAreBounded(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	h := boundProfiles(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { begun <- struct{}{}; <-end }))
	ask := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		return w.Code
	}
	var served sync.WaitGroup
	for range maxProfiles {
		served.Go(func() { ask() })
		<-begun
	}
	if code := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("one request more: %d", code)
	}
	close(end)
	served.Wait()
	go func() { <-begun }()
	if code := ask(); code != http.StatusOK {
		t.Errorf("after they have ended: %d", code)
	}
}

// lateClose is a listener whose Close returns late.
type lateClose struct {
	net.Listener
	begun chan struct{} // closed when Accept has been called
	ended chan struct{} // closed when Accept has returned an error
	first sync.Once
	once  sync.Once
}

func (l *lateClose) Accept() (net.Conn, error) {
	l.first.Do(func() { close(l.begun) })
	c, err := l.Listener.Accept()
	if err != nil {
		l.once.Do(func() { close(l.ended) })
	}
	return c, err
}

func (l *lateClose) Close() error {
	err := l.Listener.Close()
	<-l.ended
	time.Sleep(10 * time.Millisecond) // time for the loop of Accept to see the error
	return err
}

// TestDebugListenCloses: the end of the server is not a failure of its debug listener.
func TestDebugListenCloses(t *testing.T) {
	log, told := testlog.New()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	late := &lateClose{Listener: l, begun: make(chan struct{}), ended: make(chan struct{})}
	s := &Server{log: log, profiles: &debugPort{listener: late, http: new(http.Server)}}
	s.profiles.serve(s)
	<-late.begun
	s.profiles.close()
	s.serving.Wait()
	if lines := strings.Join(told.Lines(), "\n"); strings.Contains(lines, "ERROR") {
		t.Error(lines)
	}
}
