package ws

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

func TestInvalidHandshakes(t *testing.T) {
	good := func(r *http.Request) {
		r.Header.Set("Upgrade", "WebSocket")
		r.Header.Set("Connection", "keep-alive, Upgrade")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	const (
		body       = "400 A WebSocket handshake has no body: send it without Content-Length, Transfer-Encoding and Expect."
		version    = "400 The header Sec-WebSocket-Version must be present once and have one number: send `Sec-WebSocket-Version: 13`."
		protocols  = "400 The header Sec-WebSocket-Protocol must have names, separated by commas: letters, digits and !#$%&'*+-.^_`|~ (RFC 6455, section 4.3)."
		extensions = "400 The header Sec-WebSocket-Extensions is not a list of extensions (RFC 6455, section 9.1)."
	)
	const key = "The header Sec-WebSocket-Key must be present once and have 16 bytes in base64."
	cases := []struct {
		name   string
		change func(*http.Request)
		want   string // status, header, sentence
	}{
		{"another path", func(r *http.Request) { r.URL.Path = "/chat" }, "404 There is no WebSocket at this path: the WebSocket is at /v2, and the classic one at /."},
		{"POST", func(r *http.Request) { r.Method = "POST" }, "405 Allow: GET This is a WebSocket: connect to it with GET."},
		{"HTTP/1.0", func(r *http.Request) { r.ProtoMinor = 0 }, "400 A WebSocket handshake needs HTTP/1.1. If a proxy in between uses HTTP/1.0, configure it to use 1.1 (in nginx, proxy_http_version)."},
		{"no Upgrade", func(r *http.Request) { r.Header.Del("Upgrade") }, "426 Upgrade: websocket Sec-WebSocket-Version: 13 This is a WebSocket, and the request has no header `Upgrade: websocket`. If it was sent, a proxy in between has dropped it."},
		{"another Upgrade", func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }, "426 Upgrade: websocket Sec-WebSocket-Version: 13 This is a WebSocket, and the request has no header `Upgrade: websocket`. If it was sent, a proxy in between has dropped it."},
		{"no Connection", func(r *http.Request) { r.Header.Set("Connection", "close") }, "400 The request has no header `Connection: Upgrade`. If it was sent, a proxy in between has dropped it."},
		{"no version", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Version") }, "426 Upgrade: websocket Sec-WebSocket-Version: 13 The server supports only version 13 of the WebSocket protocol (RFC 6455): send `Sec-WebSocket-Version: 13`."},
		{"version 8", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, "426 Upgrade: websocket Sec-WebSocket-Version: 13 The server supports only version 13 of the WebSocket protocol (RFC 6455): send `Sec-WebSocket-Version: 13`."},
		{"no key", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, "400 " + key},
		{"a short key", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j") }, "400 " + key},
		{"a key of 17 bytes", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE=") }, "400 " + key},
		{"a key that is no base64", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "!GhlIHNhbXBsZSBub25jZQ==") }, "400 " + key},
		{"two keys", func(r *http.Request) { r.Header.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") }, "400 " + key},
		{"two keys in a list", func(r *http.Request) {
			r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==")
		}, "400 " + key},
		{"two versions", func(r *http.Request) { r.Header.Add("Sec-WebSocket-Version", "13") }, version},
		{"two different versions", func(r *http.Request) { r.Header.Add("Sec-WebSocket-Version", "8") }, version},
		{"a list of versions", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "13, 8") }, version},
		{"a body", func(r *http.Request) { r.ContentLength = 24 }, body},
		{"chunks", func(r *http.Request) { r.ContentLength, r.TransferEncoding = -1, []string{"chunked"} }, body},
		{"Expect", func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, body},
		{"a protocol with a blank", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Protocol", "chat room") }, protocols},
		{"a second protocol that is quoted", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Protocol", `chat, "room"`) }, protocols},
		{"a second list of protocols", func(r *http.Request) { r.Header["Sec-Websocket-Protocol"] = []string{"chat", "a/b"} }, protocols},
		{"an extension that is no token", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Extensions", "permessage deflate") }, extensions},
		{"an extension's parameter without a name", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate; =10") }, extensions},
		{"an extension's value that does not end", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Extensions", `x; y="10`) }, extensions},
		{"an extension that ends early", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Extensions", "x;") }, extensions},
		{"the target *", func(r *http.Request) { r.RequestURI = "*"; r.URL.Path = "*" }, "400 The target * is only for OPTIONS: the WebSocket is at /v2, and the classic one at /."},
	}
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(t.Context(), 0)
	n := new(Counters)
	h := Classic(hub, Options{Counters: n, NoAuth: true})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			good(r)
			c.change(r)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var header string
			for _, name := range []string{"Allow", "Upgrade", "Sec-WebSocket-Version"} {
				if v := w.Header().Get(name); v != "" {
					header += name + ": " + v + " "
				}
			}
			connection := []string{"close"} // net/http uses the first
			if w.Code == http.StatusUpgradeRequired {
				connection = append(connection, "Upgrade") // RFC 9110, section 15.5.22
			}
			if got := w.Header()["Connection"]; !slices.Equal(got, connection) {
				t.Errorf("Connection: %q, want %q", got, connection)
			}
			if got := fmt.Sprintf("%d %s%s", w.Code, header, w.Body); got != c.want+"\n" {
				t.Errorf("\n got %q\nwant %q", got, c.want+"\n")
			}
		})
	}
	if got := n.Handshakes.Load(); got != uint64(len(cases)) {
		t.Errorf("counted %d of %d", got, len(cases))
	}
	if got := hub.Stats().SessionsOpened; got != 0 {
		t.Errorf("%d sessions opened", got)
	}
}

func TestFirstProtocol(t *testing.T) {
	for _, c := range []struct {
		offer []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"chat"}, "chat"},
		{[]string{"chat, superchat"}, "chat"},
		{[]string{" a ,b"}, "a"},
		{[]string{", ,a"}, "a"},
		{[]string{"", "a", "b"}, "a"},
	} {
		if got := firstProtocol(c.offer); got != c.want || !validProtocols(c.offer) {
			t.Errorf("%q: got %q, want %q", c.offer, got, c.want)
		}
	}
}

func TestAllowedExtensions(t *testing.T) {
	for _, s := range []string{
		"", "permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=15, x-other",
		`a; b="10"; c = 11 ,, d`, `a;b="1\0"`,
	} {
		if !validExtensions([]string{s}) {
			t.Errorf("%q is refused", s)
		}
	}
}

// TestHandshakesAsBytes sends handshakes as bytes over a connection, and checks whether the
// server reads the bytes after them as frames.
func TestHandshakesAsBytes(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		_, addr := server(t, k, boreas.Options{}, Options{})
		const rest = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
		early := string(ping("early"))
		for name, c := range map[string]struct{ request, want string }{
			"early data":               {"GET / HTTP/1.1\r\n" + rest + "\r\n" + early, "101 pong early"},
			"a length of 0":            {"GET / HTTP/1.1\r\n" + rest + "Content-Length: 0\r\n\r\n" + early, "101 pong early"},
			"a body":                   {"GET / HTTP/1.1\r\n" + rest + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(early)) + early, "400"},
			"chunks":                   {"GET / HTTP/1.1\r\n" + rest + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(early), early), "400"},
			"no chunks":                {"GET / HTTP/1.1\r\n" + rest + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
			"Expect":                   {"GET / HTTP/1.1\r\n" + rest + "Expect: 100-continue\r\n\r\n", "400"},
			"Expect and a body":        {"GET / HTTP/1.1\r\n" + rest + "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n", "400"},
			"an absolute target":       {"GET ws://x HTTP/1.1\r\n" + rest + "\r\n" + early, "101 pong early"},
			"an absolute target, path": {"GET ws://x/ HTTP/1.1\r\n" + rest + "\r\n" + early, "101 pong early"},
			"one with a query":         {"GET ws://x?a=b HTTP/1.1\r\n" + rest + "\r\n" + early, "101 pong early"},
			"an asterisk":              {"GET * HTTP/1.1\r\n" + rest + "\r\n" + early, "400"},
		} {
			nc, err := connect(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, c.request)
			cl := &client{wstest.New(nc), t}
			resp, err := http.ReadResponse(cl.In, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := fmt.Sprint(resp.StatusCode)
			if resp.StatusCode == 101 {
				got += " " + cl.next()
			}
			if got != c.want {
				t.Errorf("%s: got %s, want %s", name, got, c.want)
			}
			nc.Close()
		}
	})
}
