package ws

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
)

// TestRepliesOfOneReadTakeOneWrite: the replies to requests that arrive together take one write, in
// the order of the requests.
func TestRepliesOfOneReadTakeOneWrite(t *testing.T) {
	r := newRigSpeaking(t, v2Dialect{}, boreas.Options{}, Options{})
	r.feed(join(text(`{"id":1,"auth":{"token":"valid"}}`), text(`{"id":2,"ping":{}}`), text(`{"id":3,"leave":{"channels":["a"]}}`), ping("p")), 0)
	want := []string{
		`text {"id":1,"auth":{"user":"user"}}`,
		`text {"id":2,"ping":{}}`,
		`text {"id":3,"leave":{"channels":[{"channel":"a"}]}}`,
		`pong p`,
	}
	if diff := cmp.Diff(want, r.out.frames()); diff != "" {
		t.Errorf("the replies (-want +got):\n%s", diff)
	}
	if r.out.writes != 1 {
		t.Errorf("%d writes, want 1", r.out.writes)
	}
}

// TestAnswerAndHelloTakeOneWrite: one write answers the handshake and greets the client.
func TestAnswerAndHelloTakeOneWrite(t *testing.T) {
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(context.Background(), 0)
	for path, handler := range map[string]http.Handler{
		"/":   Classic(hub, Options{NoAuth: true}),
		"/v2": Handler(hub, Options{NoAuth: true}),
	} {
		near, far := net.Pipe() // a read returns the bytes of one write
		r := httptest.NewRequest("GET", path, nil)
		for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			r.Header.Set(name, value)
		}
		handler.ServeHTTP(hijacked{httptest.NewRecorder(), near}, r)
		b := make([]byte, 4096)
		n, err := far.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got := regexp.MustCompile(`(?s).~..\{"hello":.*`).ReplaceAllString(string(b[:n]), "HELLO")
		want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
		if path == "/v2" {
			want += "HELLO"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the first write (-want +got):\n%s", path, diff)
		}
		far.Close()
	}
}

// hijacked is a response writer with a connection.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(io.Discard)), nil
}
