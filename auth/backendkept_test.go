package auth_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/auth"
)

// TestBackendClosesKeptConnections: a backend answers one request on each connection, reads the
// next one and closes. Every token is accepted, and the backend counts as reachable.
func TestBackendClosesKeptConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for n := range 2 {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, request.Body)
					if n == 0 {
						const body = `{"user":"u1","ttl":60}`
						fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
					}
				}
			}()
		}
	}()
	b := newBackend(t, nil, auth.BackendOptions{URL: "http://" + l.Addr().String(), Timeout: time.Minute})
	for i := range 20 {
		if got := check(b, fmt.Sprint("token", i)); got != "user u1" {
			t.Errorf("token %d: %s", i, got)
		}
	}
	if err := b.Ready(); err != nil {
		t.Error(err)
	}
}
