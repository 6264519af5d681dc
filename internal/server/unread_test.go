package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// TestMissingBodies: a client that announces a body and sends none gets a response, and its
// connection is closed after the header timeout. If the handler reads the body, its shorter
// deadline applies.
func TestMissingBodies(t *testing.T) {
	for name, request := range map[string]string{
		"all of it":        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"a part":           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
		"chunks":           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"large body":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
		"GET":              "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"handler reads it": "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"handler closes":   "GET /close HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"HTTP1.0":          "GET / HTTP/1.0\r\nContent-Length: 10\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, err := config.Load(config.Input{Dir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				s := &Server{cfg: cfg, log: NewLogger(io.Discard, cfg, LogOptions{})}
				server := s.httpServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/close" {
						w.Header().Set("Connection", "close")
					}
					if r.URL.Path == "/read" {
						http.NewResponseController(w).SetReadDeadline(time.Now().Add(cfg.HeaderTimeout / 2))
						if _, err := io.ReadAll(r.Body); err == nil {
							t.Error("the handler has read a body")
						}
					}
					w.WriteHeader(http.StatusNotFound)
				}))
				near, far := net.Pipe()
				served := make(chan error, 1)
				go func() { served <- server.Serve(&pipeListener{conn: far, closed: make(chan struct{})}) }()
				begin := time.Now()
				go io.WriteString(near, request)
				from := bufio.NewReader(near)
				resp, err := http.ReadResponse(from, nil)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); name == "handler reads it" && took != cfg.HeaderTimeout/2 {
					t.Errorf("answered after %v", took)
				}
				if resp.StatusCode != http.StatusNotFound {
					t.Errorf("answered %s", resp.Status)
				}
				if _, err := io.Copy(io.Discard, from); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took > cfg.HeaderTimeout+time.Second {
					t.Errorf("closed after %v", took)
				}
				near.Close()
				server.Close()
				<-served
			})
		})
	}
}

// pipeListener accepts one connection.
type pipeListener struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, errors.New("closed")
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
