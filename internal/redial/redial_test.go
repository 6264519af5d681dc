package redial_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/redial"
)

// A server answers the first request of each connection, and handles the second request as the test
// chooses.
type server struct {
	net.Listener
	connections, requests atomic.Int32
}

func serve(t *testing.T, second func(net.Conn)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			go s.handle(c, second)
		}
	}()
	return s
}

func (s *server) handle(c net.Conn, second func(net.Conn)) {
	defer c.Close()
	r := bufio.NewReader(c)
	for n := range 2 {
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(request.Body)
		s.requests.Add(1)
		if n == 1 {
			second(c)
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
}

func post(t *testing.T, c *http.Client, s *server, body io.Reader) string {
	t.Helper()
	response, err := c.Post("http://"+s.Addr().String(), "text/plain", body)
	if err != nil {
		return "failed"
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "failed in the body"
	}
	return fmt.Sprint(response.StatusCode, " ", string(text))
}

// TestKeptConnectionEnds: each row has the server's reaction to the second request, and the result.
func TestKeptConnectionEnds(t *testing.T) {
	text := func(s string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, s) } }
	for name, test := range map[string]struct {
		second func(net.Conn)
		want   string
	}{
		"it closes":                  {func(net.Conn) {}, "200 b"},
		"it resets":                  {func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }, "200 b"},
		"it reports an idle timeout": {text("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), "200 b"},
		"it answers":                 {text("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"), "500 no"},
		"it closes in its answer":    {text("HTTP/1.1 200 OK\r\nContent-Le"), "failed"},
		"it closes in the body":      {text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), "failed in the body"},
		"it sends invalid HTTP":      {text("?"), "failed"},
		"it does not answer at all":  {func(c net.Conn) { io.Copy(io.Discard, c) }, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.second)
			c := &http.Client{Transport: redial.New(&http.Transport{}), Timeout: time.Minute}
			if name == "it does not answer at all" {
				c.Timeout = 300 * time.Millisecond
			}
			defer c.CloseIdleConnections()
			if got := post(t, c, s, strings.NewReader("a")); got != "200 a" {
				t.Fatal(got)
			}
			requests, connections := int32(2), int32(1)
			if test.want == "200 b" {
				requests, connections = 3, 2
			}
			if got := post(t, c, s, strings.NewReader("b")); got != test.want || s.requests.Load() != requests || s.connections.Load() != connections {
				t.Errorf("%s, in %d requests over %d connections: want %s, %d, %d", got, s.requests.Load(), s.connections.Load(), test.want, requests, connections)
			}
		})
	}
}

// TestOnlyOnce: a request is retried only once, and not at all if its body can be read only once.
func TestOnlyOnce(t *testing.T) {
	s := serve(t, func(net.Conn) {})
	c := &http.Client{Transport: redial.New(&http.Transport{})}
	defer c.CloseIdleConnections()
	post(t, c, s, strings.NewReader("a"))
	if got := post(t, c, s, io.MultiReader(strings.NewReader("b"))); got != "failed" || s.requests.Load() != 2 {
		t.Errorf("a body without GetBody: %s, %d requests", got, s.requests.Load())
	}
	post(t, c, s, strings.NewReader("a"))
	s.Close()
	if got := post(t, c, s, strings.NewReader("b")); got != "failed" {
		t.Errorf("after the server has ended: %s", got)
	}
}
