package door

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/internal/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is an HTTP server whose handler echoes what follows a handshake.
type site struct {
	*testing.T
	address string
	http    *http.Server
	served  chan error    // the result of Serve
	slow    chan struct{} // a check of the header X-Slow sends to it when it begins
	release chan struct{} // and receives from it before it ends
	room    atomic.Bool   // Begin accepts connections
	evicts  atomic.Bool   // each connection is closed to make room, just before its handler is called

	direct, open, active atomic.Int64 // handshakes that the door has served, open connections, calls of the handler by the door
}

// newSite starts a server with or without a door.
func newSite(t *testing.T, behind bool) *site {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, address: l.Addr().String(), served: make(chan error, 1), slow: make(chan struct{}), release: make(chan struct{})}
	s.room.Store(true)
	h := http.HandlerFunc(s.serve)
	s.http = &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	s.http.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if Begun(c) == nil {
				s.open.Add(1)
			}
		case http.StateHijacked, http.StateClosed:
			s.open.Add(-1)
		}
	}
	if behind {
		s.http.Handler, s.http.ConnContext = Replay(h), Context
		l = Listen(l, Options{
			Handler:       h,
			HeaderTimeout: s.http.ReadHeaderTimeout,
			Begin: func(net.Conn) (context.Context, bool) {
				s.open.Add(1)
				return context.Background(), s.room.Load()
			},
			Active: func(net.Conn) bool { s.active.Add(1); return !s.evicts.Load() },
			End:    func(net.Conn) { s.open.Add(-1) },
		})
	}
	go func() { s.served <- s.http.Serve(l) }()
	t.Cleanup(func() {
		s.http.Close()
		if err := <-s.served; err != http.ErrServerClosed {
			t.Error(err)
		}
		s.await(func() bool { return s.open.Load() == 0 })
	})
	return s
}

// await waits until ask returns true.
func (s *site) await(ask func() bool) {
	s.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for begin := time.Now(); !ask(); <-again.C {
		if time.Since(begin) > time.Minute {
			s.Fatal("the condition did not become true")
		}
	}
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	h := r.Header
	switch {
	case h.Get("X-Panic") != "":
		panic(http.ErrAbortHandler)
	case h.Get("X-Refuse") != "":
		w.Header().Set("Retry-After", "5")
		w.Header().Set("Connection", "close")
		w.Header()["X-Several"] = []string{"a", "b"}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "%s refused: %s\n", r.URL, h.Get("X-Refuse"))
		return
	case h.Get("X-Nothing") != "":
		w.Header().Set("Connection", "close")
		return
	}
	t, ok := w.(socket.Taker)
	if ok && h.Get("X-Slow") != "" {
		t.Slow(func() { s.slow <- struct{}{}; <-s.release })
	}
	if h.Get("X-Slow") == "refuse" {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var nc net.Conn
	var early []byte
	start := func(f func()) { go f() }
	if ok {
		s.direct.Add(1)
		var c *socket.Conn
		c, early = t.Take()
		nc, early, start = c.NetConn(), slices.Clone(early), t.Serve
	} else {
		hijacked, brw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return // it is a request of HTTP/1.0, or without a handshake
		}
		nc = hijacked
		early, _ = brw.Peek(brw.Reader.Buffered())
	}
	fmt.Fprintf(nc, "%s %s %s\n", r.Method, r.RequestURI, r.Host)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintf(nc, "%s: %q\n", name, h[name])
	}
	start(func() {
		nc.Write(early)
		io.Copy(nc, nc)
		nc.Close()
	})
}

func (s *site) dial() *net.TCPConn {
	s.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

var date = regexp.MustCompile(`Date: [^\r]*`)

// rest returns what the server sends until it closes the connection.
func (s *site) rest(c net.Conn) string {
	s.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		return string(b) + err.Error()
	}
	return date.ReplaceAllString(string(b), "Date: D")
}

// exchange sends the pieces, and returns what the server sends.
func (s *site) exchange(pieces ...string) string {
	s.Helper()
	c := s.dial()
	defer c.Close()
	for _, piece := range pieces {
		io.WriteString(c, piece)
	}
	c.CloseWrite()
	return s.rest(c)
}

// both are a site without a door and one with it.
func both(t *testing.T) (without, behind *site) { return newSite(t, false), newSite(t, true) }

// TestSameAnswers compares the bytes of a server with a door with those of one without.
func TestSameAnswers(t *testing.T) {
	without, behind := both(t)
	type request struct {
		name   string
		pieces []string
		direct int64
	}
	var requests []request
	for i, c := range heads {
		direct := int64(0)
		if c.want {
			direct = 1
		}
		requests = append(requests, request{fmt.Sprintf("head %d", i), []string{c.head}, direct})
	}
	requests = append(requests,
		request{"frames in the same segment", []string{plain + "one", "two"}, 1},
		request{"a large head", []string{with("Cookie: " + strings.Repeat("c", 5000))}, 0},
		request{"refused", []string{with("X-Refuse: it")}, 0},
		request{"refused, with frames", []string{with("X-Refuse: it") + "frames"}, 0},
		request{"an empty answer", []string{with("X-Nothing: x")}, 0},
		request{"a panic", []string{with("X-Panic: x")}, 0},
		request{"two requests", []string{"GET / HTTP/1.1\r\nHost: x\r\nX-Nothing: x\r\n\r\n" + plain}, 0},
	)
	for _, r := range requests {
		before := behind.direct.Load()
		want, got := without.exchange(r.pieces...), behind.exchange(r.pieces...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-net/http +door):\n%s", r.name, diff)
		}
		if n := behind.direct.Load() - before; n != r.direct {
			t.Errorf("%s: the door has served %d handshakes, want %d", r.name, n, r.direct)
		}
	}
}

// TestSlowSenders: the answer does not depend on the pieces in which a request arrives.
func TestSlowSenders(t *testing.T) {
	behind := newSite(t, true)
	for _, request := range []string{plain + "frames", with("X-Refuse: it")} {
		want := behind.exchange(request)
		for i := range len(request) {
			if diff := cmp.Diff(want, behind.exchange(request[:i], request[i:])); diff != "" {
				t.Fatalf("in two pieces, %d bytes first (-whole +pieces):\n%s", i, diff)
			}
		}
		if diff := cmp.Diff(want, behind.exchange(strings.Split(request, "")...)); diff != "" {
			t.Fatalf("byte by byte (-whole +pieces):\n%s", diff)
		}
	}
}

// TestLostConnections: connections that end at any point are not counted any more.
func TestLostConnections(t *testing.T) {
	behind := newSite(t, true)
	for i := range len(plain) + 1 {
		c := behind.dial()
		io.WriteString(c, plain[:i])
		c.SetLinger(0) // a reset
		c.Close()
	}
	behind.await(func() bool { return behind.open.Load() == 0 })
}

// TestNoRoom: http.Server gets the connections for which there is no room.
func TestNoRoom(t *testing.T) {
	behind := newSite(t, true)
	behind.room.Store(false)
	want := newSite(t, false).exchange(plain)
	if diff := cmp.Diff(want, behind.exchange(plain)); diff != "" {
		t.Errorf("the answer (-net/http +door):\n%s", diff)
	}
	if n := behind.direct.Load(); n != 0 {
		t.Errorf("the door has served %d handshakes", n)
	}
}

// TestEvicted: the handler is not called for a connection that has been closed to make room, whose
// descriptor may already belong to another one.
func TestEvicted(t *testing.T) {
	behind := newSite(t, true)
	behind.evicts.Store(true)
	if got := behind.exchange(plain); got != "" || behind.direct.Load() != 0 {
		t.Errorf("the answer is %q", got)
	}
}
