package ws

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/boreas-pubsub/boreas"
)

func TestHandshakesThatAreNone(t *testing.T) {
	good := func(r *http.Request) {
		r.Header.Set("Upgrade", "WebSocket")
		r.Header.Set("Connection", "keep-alive, Upgrade")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	const key = "The header Sec-WebSocket-Key must be there once and hold 16 bytes in base64."
	cases := []struct {
		name   string
		change func(*http.Request)
		want   string // status, header, sentence
	}{
		{"another path", func(r *http.Request) { r.URL.Path = "/chat" }, "404 There is no WebSocket at this path: it is at /v2, and the classic one at /."},
		{"POST", func(r *http.Request) { r.Method = "POST" }, "405 Allow: GET This is a WebSocket: connect to it with GET."},
		{"HTTP/1.0", func(r *http.Request) { r.ProtoMinor = 0 }, "400 A WebSocket handshake needs HTTP/1.1. A proxy in between may speak 1.0: see its proxy_http_version."},
		{"no Upgrade", func(r *http.Request) { r.Header.Del("Upgrade") }, "426 Upgrade: websocket This is a WebSocket, and the request has no header `Upgrade: websocket`. If it was sent, a proxy in between has dropped it."},
		{"another Upgrade", func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }, "426 Upgrade: websocket This is a WebSocket, and the request has no header `Upgrade: websocket`. If it was sent, a proxy in between has dropped it."},
		{"no Connection", func(r *http.Request) { r.Header.Set("Connection", "close") }, "400 The request has no header `Connection: Upgrade`. If it was sent, a proxy in between has dropped it."},
		{"no version", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Version") }, "426 Sec-WebSocket-Version: 13 Only version 13 of the WebSocket protocol (RFC 6455) is spoken here: send `Sec-WebSocket-Version: 13`."},
		{"version 8", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, "426 Sec-WebSocket-Version: 13 Only version 13 of the WebSocket protocol (RFC 6455) is spoken here: send `Sec-WebSocket-Version: 13`."},
		{"no key", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, "400 " + key},
		{"a short key", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j") }, "400 " + key},
		{"a key of 17 bytes", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE=") }, "400 " + key},
		{"a key that is no base64", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "!GhlIHNhbXBsZSBub25jZQ==") }, "400 " + key},
		{"two keys", func(r *http.Request) { r.Header.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") }, "400 " + key},
	}
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(t.Context(), 0)
	n := new(Counters)
	h := Classic(hub, Options{Counters: n})
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
					header = name + ": " + v + " "
				}
			}
			if w.Header().Get("Connection") != "close" {
				t.Error("the connection stays open")
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
	for offer, want := range map[string]string{"": "", "chat": "chat", "chat, superchat": "chat", " a ,b": "a", "a b": "", "x\x01": ""} {
		if got := firstProtocol(offer); got != want {
			t.Errorf("%q: got %q, want %q", offer, got, want)
		}
	}
}
