package door

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/net/http/httpguts"
)

const (
	hostLine  = "Host: example.com:8080\r\n"
	handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	plain     = "GET /v2 HTTP/1.1\r\n" + hostLine + handshake + "\r\n"
)

// browser is a handshake of a browser, through a proxy.
const browser = "GET /v2?access_token=abc-DEF_123.x%20y HTTP/1.1\r\nHost: ws.example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nUpgrade: websocket\r\nOrigin: https://example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: a=b; c=\"d\"\r\nSec-GPC: 1\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
	"X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\nSec-WebSocket-Protocol: a, b\r\n\r\n"

// with returns the plain request with one line more.
func with(line string) string { return strings.TrimSuffix(plain, "\r\n") + line + "\r\n\r\n" }

// heads are heads and whether the door accepts them.
var heads = []struct {
	head string
	want bool
}{
	{plain, true},
	{browser, true},
	{strings.Replace(plain, "/v2", "/", 1), true},
	{strings.Replace(plain, "/v2", "/?x=y&z", 1), true},
	{strings.ToLower(plain[len("GET /v2 HTTP/1.1"):]), false},
	{"GET /v2 HTTP/1.1" + strings.ToLower(plain[len("GET /v2 HTTP/1.1"):]), true},
	{plain + "frames", true},
	{with("X-Other-name: a\tb  "), true},
	{with("Pragma: no-cache"), true},
	{with("Connection: keep-alive"), true},
	{with("Empty:"), true},
	{with("X-Forwarded-For: 192.0.2.1"), true},

	{"", false},
	{"GET /\r\n\r\n", false},
	{"GET / HTTP/1.1\r\n\r\n", false},
	{plain[:len(plain)-1], false},
	{strings.ReplaceAll(plain, "\r\n", "\n"), false},
	{strings.Replace(plain, "\r\nUp", "\nUp", 1), false},
	{strings.Replace(plain, "\r\nUp", "\rUp", 1), false},
	{strings.Replace(plain, "GET", "POST", 1), false},
	{strings.Replace(plain, "GET", "get", 1), false},
	{strings.Replace(plain, "GET ", "GET  ", 1), false},
	{strings.Replace(plain, "1.1", "1.0", 1), false},
	{strings.Replace(plain, "1.1", "1.1 ", 1), false},
	{strings.Replace(plain, "/v2", "/v2/", 1), false},
	{strings.Replace(plain, "/v2", "/v2/events", 1), false},
	{strings.Replace(plain, "/v2", "/%76%32", 1), false},
	{strings.Replace(plain, "/v2", "//", 1), false},
	{strings.Replace(plain, "/v2", "/v2?", 1), false},
	{strings.Replace(plain, "/v2", "/v2?a=b#c", 1), false},
	{strings.Replace(plain, "/v2", "/v2?a b", 1), false},
	{strings.Replace(plain, "/v2", "/v2?ä", 1), false},
	{strings.Replace(plain, "/v2", "http://example.com/v2", 1), false},
	{strings.Replace(plain, hostLine, "", 1), false},
	{strings.Replace(plain, hostLine, "Host:\r\n", 1), false},
	{strings.Replace(plain, hostLine, hostLine+hostLine, 1), false},
	{strings.Replace(plain, hostLine, "Host: a/b\r\n", 1), false},
	{strings.Replace(plain, "Upgrade: websocket\r\n", "", 1), false},
	{strings.Replace(plain, "Upgrade: websocket", "Upgrade: h2c", 1), false},
	{with("Content-Length: 0"), false},
	{with("Content-Length: 5") + "hello", false},
	{with("Transfer-Encoding: chunked"), false},
	{with("transfer-encoding: identity"), false},
	{with("Trailer: A"), false},
	{with("Expect: 100-continue"), false},
	{with("Connection: Close"), false},
	{with("Connection: a,close"), false},
	{with(" folded"), false},
	{with("\tfolded"), false},
	{with("Name : value"), false},
	{with(": value"), false},
	{with("no colon"), false},
	{with("Na\x00me: value"), false},
	{with("Name: va\x00lue"), false},
	{with("Name: va\x7flue"), false},
	{with("Name: välue"), false},
	{with("Näme: value"), false},
	{with("Under_score: value"), false},
	{with(strings.Repeat("A: b\r\n", maxFields) + "A: b"), false},
	{with("HTTP2-Settings: AAMAAABkAAQAAP__"), false},
}

func TestPlainHeads(t *testing.T) {
	for _, c := range heads {
		r, _ := parse(t.Context(), []byte(c.head))
		if got := r != nil; got != c.want {
			t.Errorf("accepted: %v, want %v: %q", got, c.want, c.head)
		}
	}
}

// FuzzParse checks that net/http accepts each head that parse accepts, and understands it in the
// same way.
func FuzzParse(f *testing.F) {
	for _, c := range heads {
		f.Add([]byte(c.head))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		given := bytes.Clone(b)
		got, n := parse(context.Background(), b)
		if !bytes.Equal(given, b) {
			t.Fatal("parse has changed its input")
		}
		if got == nil {
			return
		}
		reader := bufio.NewReader(bytes.NewReader(b))
		want, err := http.ReadRequest(reader)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", b, err)
		}
		rest, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if string(rest) != string(b[n:]) {
			t.Fatalf("the rest of %q is %q, want %q", b, b[n:], rest)
		}
		// What http.Server checks after that.
		if want.Host == "" || !httpguts.ValidHostHeader(want.Host) {
			t.Fatalf("net/http refuses the host of %q", b)
		}
		for name, values := range want.Header {
			for _, value := range values {
				if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
					t.Fatalf("net/http refuses the header %s of %q", name, b)
				}
			}
		}
		if want.Close {
			t.Fatalf("net/http closes the connection after %q", b)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(http.Request{})); diff != "" {
			t.Fatalf("%q (-net/http +door):\n%s", b, diff)
		}
		clear(b)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(http.Request{})); diff != "" {
			t.Fatalf("the request refers to the buffer:\n%s", diff)
		}
	})
}
