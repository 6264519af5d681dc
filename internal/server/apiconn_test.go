package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serveAPI serves h as the API is served, and returns a connection to it.
func serveAPI(t *testing.T, h http.HandlerFunc) (near net.Conn) {
	t.Helper()
	cfg := testConfig(nil)
	s := &Server{cfg: cfg, log: NewLogger(io.Discard, cfg, LogOptions{})}
	near, far := net.Pipe()
	s.api.accept(&pipeListener{conn: far, closed: make(chan struct{})}, true)
	server := s.httpServer(unwatched(h))
	newCrowd(t, 100, 0, 100).watch(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.api.listener) }()
	t.Cleanup(func() {
		near.Close()
		server.Close()
		<-served
	})
	return near
}

// watching reports whether a goroutine of net/http watches a connection for its end.
func watching() bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), ".backgroundRead")
}

// TestPostsAreNotWatched: net/http does not watch the connection of a POST whose body has a length.
// It watches all others, so that their contexts end when the client disconnects.
func TestPostsAreNotWatched(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		want    []bool
	}{
		"POST":             {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", []bool{false}},
		"POST of HTTP/1.0": {"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", []bool{false}},
		"one byte":         {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1", []bool{false}},
		"expect":           {"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", []bool{false}},
		"chunks":           {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", []bool{true}},
		"empty POST":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []bool{true}},
		"PATCH":            {"PATCH / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", []bool{true}},
		"GET":              {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", []bool{true}},
		"POST, GET":        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1GET / HTTP/1.1\r\nHost: x\r\n\r\n", []bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				served, goOn := make(chan error), make(chan bool)
				conn := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					served <- err
					select {
					case <-goOn:
					case <-r.Context().Done():
						served <- context.Cause(r.Context())
					}
				})
				go io.WriteString(conn, c.request)
				go io.Copy(io.Discard, conn)
				for i, want := range c.want {
					if err := <-served; err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					if got := watching(); got != want {
						t.Errorf("request %d: watched: %v, want %v", i, got, want)
					}
					switch {
					case !want:
						goOn <- true
					default:
						conn.Close()
						if err := <-served; !errors.Is(err, context.Canceled) {
							t.Errorf("request %d: the context has ended with: %v", i, err)
						}
					}
				}
			})
		})
	}
}

// pieces returns the text in pieces of n bytes.
func pieces(text string, n int) (all []string) {
	for ; len(text) > n; text = text[n:] {
		all = append(all, text[:n])
	}
	return append(all, text)
}

// TestRequestsInPieces sends requests in pieces, which make net/http read single bytes of headers
// and chunks. Each connection carries the requests twice, so that they also follow a POST.
func TestRequestsInPieces(t *testing.T) {
	const post = "POST /p HTTP/1.1\r\nHost: x\r\n"
	// The buffer of net/http has 4,096 bytes, and it keeps a line until its end has arrived.
	filler := func(n int) string { return post + "X: " + strings.Repeat("x", n-len(post)-len("X: ")) }
	ofLength := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, strings.Repeat("b", n)) }
	for name, c := range map[string]struct{ pieces, want []string }{
		"whole":         {[]string{post + ofLength(3)}, []string{"POST 3"}},
		"bytes":         {pieces(post+ofLength(3), 1), []string{"POST 3"}},
		"long header":   {append([]string{filler(len(post) + 4095)}, pieces("\r\n"+ofLength(3), 1)...), []string{"POST 3"}},
		"longer header": {append([]string{filler(8191)}, pieces("\r\n"+ofLength(3), 1)...), []string{"POST 3"}},
		"one byte":      {append([]string{post + "Content-Length: 1\r\n\r\n"}, "b"), []string{"POST 1"}},
		"long body":     {pieces(post+ofLength(20_000), 4095), []string{"POST 20000"}},
		"chunks":        {pieces(post+"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 1), []string{"POST 10"}},
		"chunks after a POST": {
			append([]string{post + ofLength(3)}, pieces(post+"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 1)...),
			[]string{"POST 3", "POST 10"},
		},
		"pipelined":      {[]string{post + ofLength(1) + post + ofLength(2) + "GET /g HTTP/1.1\r\nHost: x\r\n\r\n" + post + ofLength(1)}, []string{"POST 1", "POST 2", "GET 0", "POST 1"}},
		"body not read":  {[]string{"POST /unread HTTP/1.1\r\nHost: x\r\n" + ofLength(5000)}, []string{"unread"}},
		"GET":            {pieces("GET /g HTTP/1.1\r\nHost: x\r\n\r\n", 1), []string{"GET 0"}},
		"GET after POST": {[]string{post + ofLength(1), "GET /g HTTP/1.1\r\n", "Host: x\r\n\r\n"}, []string{"POST 1", "GET 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/unread" {
						io.WriteString(w, "unread")
						return
					}
					body, err := io.ReadAll(r.Body)
					if err != nil {
						t.Error(err)
					}
					fmt.Fprint(w, r.Method, " ", len(body))
				})
				from := bufio.NewReader(conn)
				for range 2 {
					go func() {
						for _, piece := range c.pieces {
							io.WriteString(conn, piece)
						}
					}()
					var got []string
					for range c.want {
						response, err := http.ReadResponse(from, nil)
						if err != nil {
							t.Fatal(err)
						}
						text, err := io.ReadAll(response.Body)
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, string(text))
					}
					if diff := cmp.Diff(c.want, got); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				}
			})
		})
	}
}

// TestHandlersAwaitTheWatcher: a body ends when net/http has begun to watch, or after a while if it
// does not.
func TestHandlersAwaitTheWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		c := newAPIConn(far)
		var took time.Duration
		read := func() chan bool {
			ended := make(chan bool)
			c.begin()
			go func() {
				start := time.Now()
				if text, err := io.ReadAll(&unwatchedBody{ReadCloser: io.NopCloser(strings.NewReader("body")), conn: c}); err != nil || string(text) != "body" {
					t.Errorf("read %q, %v", text, err)
				}
				took = time.Since(start)
				close(ended)
			}()
			synctest.Wait()
			return ended
		}
		watch := func() {
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("read %d, %v", n, err)
			}
		}
		for range 3 {
			ended := read()
			time.Sleep(watcherPatience / 2)
			watch()
			<-ended
			if took != watcherPatience/2 {
				t.Errorf("ended after %v, want %v", took, watcherPatience/2)
			}
			watch() // after a request whose body the handler does not read
		}
		for _, want := range []time.Duration{watcherPatience, 0, 0} {
			<-read()
			if took != want {
				t.Errorf("without a watcher: ended after %v, want %v", took, want)
			}
		}
	})
}
