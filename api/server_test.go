package api_test

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
)

// exchange sends bytes over a new connection to a real server and returns the whole response. It
// does not close its side, so missing bytes never arrive.
func exchange(t *testing.T, r *rig, request string) string {
	t.Helper()
	server := httptest.NewServer(r)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if res.Close { // http.ReadResponse removes the header
		res.Header.Set("Connection", "close")
	}
	return answer(res)
}

// served returns a server's response: the answer with additional headers and a Content-Length.
func served(answer, headers string) string {
	status, rest, _ := strings.Cut(answer, "\n")
	_, body, _ := strings.Cut(rest, "\n\n")
	return fmt.Sprintf("%s\n%sContent-Length: %d\n%s", status, headers, len(body), rest)
}

const broadcastHead = "POST /broadcast/ch1/ HTTP/1.1\nHost: localhost\nContent-Type: application/json\n"

func TestServerAnswers(t *testing.T) {
	o := api.Options{MaxBody: 100, BodyTimeout: 30 * time.Second}
	tooLarge := errorAnswer(413, "The body is larger than 100 bytes.")
	cut := errorAnswer(400, "The body ended early, or its framing is not valid HTTP.")
	body := `{"payload": "` + strings.Repeat("x", 100-len(`{"payload": ""}`)) + `"}` // as large as allowed
	for name, c := range map[string]struct{ request, want string }{
		"an empty answer has a length":          {broadcastHead + "Content-Length: 14\n\n" + `{"payload": 1}`, "200\nContent-Length: 0\n\n"},
		"a chunked body":                        {broadcastHead + "Transfer-Encoding: chunked\n\n5\n{\"pay\n9\nload\": 1}\n0\n\n", "200\nContent-Length: 0\n\n"},
		"a body of MaxBody":                     {broadcastHead + "Content-Length: 100\n\n" + body, "200\nContent-Length: 0\n\n"},
		"a body over MaxBody is not waited for": {broadcastHead + "Content-Length: 101\n\n", served(tooLarge, "Connection: close\n")},
		"a length beyond all":                   {broadcastHead + "Content-Length: 9223372036854775807\n\n", served(tooLarge, "Connection: close\n")},
		"a chunked body over MaxBody":           {broadcastHead + "Transfer-Encoding: chunked\n\n65\n" + body + " \n", served(tooLarge, "Connection: close\n")},
		"a broken chunk":                        {broadcastHead + "Transfer-Encoding: chunked\n\nzz\n", served(cut, "Connection: close\n")},
		"HEAD":                                  {"HEAD /token/ HTTP/1.1\nHost: localhost\n\n", "200\nContent-Length: 14\nContent-Type: application/json\nX-Content-Type-Options: nosniff\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, boreas.Options{}, o)
			if diff := gocmp.Diff(c.want, exchange(t, r, c.request)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// pipes is a listener with in-memory connections. Their deadlines use the clock of a synctest
// bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// pipe serves the API on a pipe and returns the other end.
func pipe(t *testing.T, h http.Handler) net.Conn {
	here, there := net.Pipe()
	listener := make(pipes, 1)
	listener <- there
	server := &http.Server{Handler: h}
	go server.Serve(listener)
	t.Cleanup(func() {
		here.Close()
		close(listener)
		server.Close()
	})
	return here
}

func TestBodyTimeout(t *testing.T) {
	for name, o := range map[string]api.Options{
		"default": {},
		"option":  {BodyTimeout: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := pipe(t, newRig(t, boreas.Options{}, o))
				start := time.Now()
				go io.WriteString(conn, broadcastHead+"Content-Length: 14\n\n"+`{"payload"`)
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				limit := cmp.Or(o.BodyTimeout, api.DefaultBodyTimeout)
				if got := time.Since(start); got != limit {
					t.Errorf("answered after %v, want %v", got, limit)
				}
				res.Header.Set("Connection", "close")
				want := served(errorAnswer(408, fmt.Sprintf("The body did not arrive within %v.", limit)), "Connection: close\n")
				if diff := gocmp.Diff(want, answer(res)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// slowly sends a part of a request on a pipe and returns the whole response.
func slowly(t *testing.T, r *rig, request string) string {
	t.Helper()
	conn := pipe(t, r)
	go io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n"))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Header.Set("Connection", "close")
	return answer(res)
}

// The deadline for one request's body must not affect the next request of the connection.
func TestBodyTimeoutEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := pipe(t, newRig(t, boreas.Options{}, api.Options{}).api)
		in := bufio.NewReader(conn)
		for i := range 3 {
			go io.WriteString(conn, broadcastHead+"Content-Length: 14\n\n"+`{"payload": 1}`)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("request %d: %v", i+1, err)
			}
			if diff := gocmp.Diff("200\nContent-Length: 0\n\n", answer(res)); diff != "" {
				t.Errorf("request %d (-want +got):\n%s", i+1, diff)
			}
			// In the bubble, this wait takes no real time.
			<-time.After(2 * api.DefaultBodyTimeout)
		}
	})
}
