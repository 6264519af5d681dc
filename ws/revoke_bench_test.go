package ws

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// BenchmarkCut revokes the 100 sessions of one user, over sockets of this machine. The time is that
// of one session.
func BenchmarkCut(b *testing.B) {
	const sessions = 100
	hub := boreas.New(boreas.Options{})
	h := Handler(hub, Options{Check: checkUsers, Refusals: refusal.New()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go server.Serve(l)
	defer server.Close()
	defer hub.Shutdown(b.Context(), 0)
	request := []byte("GET /v2?access_token=valid%20ann HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	joined := []byte(`"join":{"channels"`)
	b.ResetTimer()
	for done := 0; done < b.N; done += sessions {
		b.StopTimer()
		conns := make([]net.Conn, sessions)
		for i := range conns {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			c.Write(append(bytes.Clone(request), text(fmt.Sprintf(`{"id":1,"join":{"channels":[{"channel":"room.%d"}]}}`, i%10))...))
			for got := []byte{}; !bytes.Contains(got, joined); {
				part := make([]byte, 4096)
				n, err := c.Read(part)
				if err != nil {
					b.Fatal(err)
				}
				got = append(got, part[:n]...)
			}
			conns[i] = c
		}
		b.StartTimer()
		if n := hub.RevokeSessions(func(g *access.Grant) bool { return g.User == "ann" }, 0); n != sessions {
			b.Fatalf("%d sessions were closed", n)
		}
		b.StopTimer()
		for _, c := range conns {
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
			c.Close()
		}
	}
}
