package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
)

// BenchmarkPublish measures publishing over loopback, by publishers that keep their connection and
// wait for each response. Client and server share the processors. The floor is a net/http handler
// that only reads the same body.
func BenchmarkPublish(b *testing.B) {
	const message = `{"id": 1234567890123456789, "from": "alice", "text": "Hello, everyone! How are you today?", "at": "2013-02-20T20:07:39Z"}`
	const classic = `{"dryrun": false, "payload": ` + message + `}`
	r := newRig(b, boreas.Options{}, api.Options{})
	floor := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	for _, c := range []struct {
		name, path, headers, body string
		handler                   http.Handler
	}{
		{"api=classic", "/broadcast/ch1/", "Content-Type: application/json\r\n", classic, r.api},
		{"api=v2", "/v2/channels/ch1/messages", "", message, r.api},
		{"floor=reads", "/broadcast/ch1/", "Content-Type: application/json\r\n", classic, floor},
	} {
		b.Run(c.name, func(b *testing.B) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", c.path, c.headers, len(c.body), c.body)
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
					if err := skipAnswer(in); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// skipAnswer reads and discards one response.
func skipAnswer(in *bufio.Reader) error {
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			for _, digit := range bytes.TrimSpace(value) {
				length = length*10 + int(digit-'0')
			}
		}
		if len(line) == 2 {
			_, err := in.Discard(length)
			return err
		}
	}
}
