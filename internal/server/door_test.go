package server

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// undoored is a listener whose connections the door does not serve, because they are no TCP
// connections for it.
type undoored struct{ net.Listener }

func (u undoored) Accept() (net.Conn, error) {
	c, err := u.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ *net.TCPConn }{c.(*net.TCPConn)}, nil
}

// varying are the parts of responses and metrics that differ between two servers.
var varying = regexp.MustCompile(`(?s)Date: [^\r]*|"s_[a-z0-9]*"|~..\{"hello|Retry-After: [1-5]\r|"retry_after_ms":\d+|Content-Length: \d+`)

// TestDoorChangesNothing compares a server with one that serves the same handshakes with net/http
// only: each byte of the responses, and the counters.
func TestDoorChangesNothing(t *testing.T) {
	cfg := testConfig(func(cfg *config.Config) {
		cfg.AllowOrigin, cfg.TokenCookie = "https://example.com", "session"
		cfg.TrustedProxies = "127.0.0.0/8"
		cfg.AddressAccepts, cfg.AddressFailures = 1, 1
	})
	behind := start(t, cfg, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	without := start(t, cfg, Options{WSListener: undoored{l}})
	tokens := map[*Server]string{}
	for _, s := range []*Server{behind, without} {
		_, body := call(t, s, "POST", "/v2/tokens", `{"user":"u"}`)
		tokens[s] = regexp.MustCompile(`"token": ?"([^"]*)"`).FindStringSubmatch(body)[1]
	}
	exchange := func(s *Server, request string) string {
		c, err := net.Dial("tcp", s.WSAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, strings.ReplaceAll(request, "TOKEN", tokens[s])+wstest.Frame(wstest.Fin|8, "\x03\xe8"))
		b, err := io.ReadAll(c)
		if err != nil {
			return string(b) + err.Error()
		}
		return varying.ReplaceAllString(string(b), "VARYING")
	}
	requests := doorRequests()
	compare := func(i int) {
		r := requests[i]
		for range r.times - 1 {
			exchange(without, r.text)
			exchange(behind, r.text)
		}
		if diff := cmp.Diff(exchange(without, r.text), exchange(behind, r.text)); diff != "" {
			t.Errorf("request %d, %q (-net/http +door):\n%s", i, r.text, diff)
		}
	}
	limited := slices.IndexFunc(requests, func(r doorRequest) bool { return r.times > 1 })
	for i := range limited {
		compare(i)
	}
	counters := func(s *Server) string {
		waitUntil(t, func() bool { return s.hub.Sessions() == 0 && s.ws.connections.number() == 0 })
		_, body := call(t, s, "GET", "/metrics", "")
		var kept []string
		for line := range strings.Lines(body) {
			for _, prefix := range []string{"boreas_ws_", "boreas_connections", "boreas_sessions"} {
				if strings.HasPrefix(line, prefix) && !strings.Contains(line, `port="api"`) {
					kept = append(kept, line)
				}
			}
		}
		return strings.Join(kept, "")
	}
	if diff := cmp.Diff(counters(without), counters(behind)); diff != "" {
		t.Errorf("the counters (-net/http +door):\n%s", diff)
	}
	for i := limited; i < len(requests); i++ { // later, because the counters of these depend on the time
		compare(i)
	}
}

// doorRequests returns handshakes that the door understands, each for another outcome.
func doorRequests() (all []doorRequest) {
	address := 0
	request := func(path, more string) *doorRequest {
		address++ // each has limits of its own
		head := "GET " + path + " HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n" + more
		all = append(all, doorRequest{fmt.Sprintf("%sX-Forwarded-For: 192.0.2.%d\r\n\r\n", head, address), 1})
		return &all[len(all)-1]
	}
	const (
		connection = "Connection: Upgrade\r\n"
		version    = "Sec-WebSocket-Version: 13\r\n"
		key        = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		valid      = connection + version + key
		many       = 30 // over every limit of an address
	)
	for _, path := range []string{"/", "/v2"} {
		request(path, valid)
		request(path, valid+"Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n")
		request(path, valid+"Sec-WebSocket-Protocol: a b\r\n")
		request(path, valid+"Sec-WebSocket-Extensions: =\r\n")
		request(path, connection+version)
		request(path, connection+version+"Sec-WebSocket-Key: short\r\n")
		request(path, connection+key)
		request(path, connection+key+"Sec-WebSocket-Version: 12\r\n")
		request(path, connection+key+version+version)
		request(path, key+version)
		request(path, valid+"Upgrade: h2c\r\n")
		request(path, valid+"Origin: https://example.com\r\n")
		request(path, valid+"Origin: https://example.org\r\n")
		request(path, valid+"Origin:\r\nOrigin: https://example.org\r\n")
		request(path, valid+"Sec-Fetch-Site: cross-site\r\n")
		request(path, valid+"X-Forwarded-For: nonsense\r\n")
		request(path, valid+"Accept: text/html\r\n")
		request(path, valid+"Authorization: Bearer TOKEN\r\n")
		request(path, valid+"Authorization: Bearer bad\r\n")
		request(path, valid+"Cookie: a=b; session=TOKEN\r\n")
		request(path, valid+"Cookie: session=bad\r\n")
		request(path+"?access_token=TOKEN", valid)
		request(path+"?access_token=bad", valid)
	}
	for _, path := range []string{"/", "/v2"} {
		request(path+"?access_token=bad", valid).times = many
		request(path, valid).times = many
	}
	return all
}

type doorRequest struct {
	text  string
	times int // how often it is sent before the answers are compared
}
