package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/api"
)

// BenchmarkBroadcast is the cost of a broadcast over loopback, by publishers that
// keep their connection and wait for each answer; client and server share the
// processors. The other handler is the floor:
// what net/http costs to read the same body and say nothing.
func BenchmarkBroadcast(b *testing.B) {
	r := newRig(b, boreas.Options{}, api.Options{})
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{
		{"api", r.api},
		{"floor=reads", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })},
	} {
		b.Run(c.name, func(b *testing.B) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			const body = `{"dryrun": false, "payload": {"id": 1234567890123456789, "from": "alice", "text": "Hello, everyone! How are you today?", "at": "2013-02-20T20:07:39Z"}}`
			request := fmt.Appendf(nil, "POST /broadcast/ch1/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				in := bufio.NewReader(conn)
				for pb.Next() {
					if _, err := conn.Write(request); err != nil {
						b.Error(err)
						return
					}
					for blank := false; !blank; { // an answer is its header only
						line, err := in.ReadSlice('\n')
						if err != nil {
							b.Error(err)
							return
						}
						blank = len(line) == 2
					}
				}
			})
		})
	}
}
