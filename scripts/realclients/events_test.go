//go:build unix

package realclients

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// nginxConf configures a typical reverse proxy. It has no settings for streams, so responses are
// buffered. It listens on a socket in the file system, whose name is certainly free. DIR and WS
// stand for the directory and the server's address.
const nginxConf = `
daemon off;
master_process off;
pid DIR/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	server {
		listen unix:DIR/socket;
		location / {
			proxy_pass http://WS;
		}
		location = /v2 { # as nginx's documentation has it for WebSocket
			proxy_pass http://WS;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade";
		}
	}
}
`

// site is a server and its addresses.
type site struct {
	*testing.T
	server  *process
	api, ws string
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, "--require_auth=false")
}

// newSiteWith starts a server with additional flags.
func newSiteWith(t *testing.T, flags string) *site {
	t.Helper()
	server := start(t, builtServer(t)+" --api_port=0 --ws_port=0 --drain_time=0s "+flags)
	s := &site{T: t, server: server}
	listens := regexp.MustCompile(`^(API|WebSocket) endpoint configured to listen on (.*)$`)
	for line := server.line(); line != "Running..."; line = server.line() {
		switch found := listens.FindStringSubmatch(line); {
		case found == nil:
		case found[1] == "API":
			s.api = found[2]
		default:
			s.ws = found[2]
		}
	}
	return s
}

func (s *site) publish(message string) {
	s.Helper()
	answer, err := http.Post("http://"+s.api+"/v2/channels/news/messages", "application/json", strings.NewReader(message))
	if err != nil {
		s.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		s.Fatal(answer.Status)
	}
}

// nginx starts a proxy in front of the server and returns the path of its socket.
func (s *site) nginx() string {
	s.Helper()
	dir, err := os.MkdirTemp("", "boreas") // the path of a socket must be short
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { os.RemoveAll(dir) })
	conf, socket := filepath.Join(dir, "conf"), filepath.Join(dir, "socket")
	text := strings.NewReplacer("DIR", dir, "WS", s.ws).Replace(nginxConf)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	start(s.T, "nginx -p "+dir+" -c "+conf)
	for {
		nc, err := net.Dial("unix", socket)
		if err == nil {
			nc.Close()
			return socket
		}
		if s.Context().Err() != nil {
			s.Fatal(err)
		}
	}
}

// stream follows a stream with curl, which must print each message at once. Then it reconnects with
// the last id.
func (s *site) stream(curl string) {
	s.Helper()
	s.publish(`"before"`)
	first := start(s.T, curl+" 'http://"+s.ws+"/v2/events?channel=news&last=1'")
	wants := func(p *process, patterns ...string) (id string) {
		s.Helper()
		for _, pattern := range append(patterns, "^$") {
			line := p.line()
			if !regexp.MustCompile(pattern).MatchString(line) {
				s.Fatalf("%s\nshows %q, want %s", p.name, line, pattern)
			}
			if text, ok := strings.CutPrefix(line, "id: "); ok {
				id = text
			}
		}
		return id
	}
	const join, id = `^event: join$`, `^id: [0-9a-z]+\.[0-9a-z]+-[0-9a-z]+$`
	message := func(text string) string {
		return `^data: {"channel":"news","message":` + text + `,"position":"[0-9a-z-]+"}$`
	}
	wants(first, `^retry: [123][0-9]{3}$`, id, join, `^data: {"channels":\[{"channel":"news","position":"[0-9a-z-]+"}\],"heartbeat":25}$`)
	last := wants(first, id, message(`"before"`))
	for i := range 20 {
		s.publish(fmt.Sprint(i))
		last = wants(first, id, message(fmt.Sprint(i)))
	}
	first.interrupt()
	first.wait()
	s.publish(`"meanwhile"`)
	second := start(s.T, curl+" -H 'Last-Event-ID: "+last+"' 'http://"+s.ws+"/v2/events?channel=news'")
	wants(second, `^retry: `, id, join, `"recovered":true`)
	wants(second, id, message(`"meanwhile"`))
}

// clauses 10.1, 10.3, 10.4, 10.5
func TestCurl(t *testing.T) { newSite(t).stream("curl -sN") }

// clause 10.12
func TestCurlCompressed(t *testing.T) { newSite(t).stream("curl -sN --compressed") }

// clauses 10.5, 10.7: a proxy that buffers does not delay the events.
func TestEventsThroughNginx(t *testing.T) {
	s := newSite(t)
	socket := s.nginx()
	s.stream("curl -sN --unix-socket " + socket)
	s.stream("curl -sN --compressed --unix-socket " + socket)
}

// clauses 3.1, 3.5, 4.2, 5.1
func TestWebSocketThroughNginx(t *testing.T) {
	s := newSite(t)
	socket := s.nginx()
	c := wstest.Dial(t, "ws://"+s.ws+"/v2", wstest.Options{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}})
	read := func() string {
		t.Helper()
		return strings.TrimSpace(regexp.MustCompile(`"position":"[^"]*"`).ReplaceAllString(c.Read(), `"position":"…"`))
	}
	if hello := read(); !strings.HasPrefix(hello, `{"hello":{"protocol":2,`) {
		t.Errorf("got %s", hello)
	}
	c.Send(`{"id":1,"join":{"channels":[{"channel":"news"}]}}`)
	if diff := cmp.Diff(`{"id":1,"join":{"channels":[{"channel":"news","position":"…"}]}}`, read()); diff != "" {
		t.Error(diff)
	}
	for i := range 20 {
		s.publish(fmt.Sprint(i))
		if diff := cmp.Diff(fmt.Sprintf(`{"channel":"news","message":%d,"position":"…"}`, i), read()); diff != "" {
			t.Fatal(diff)
		}
	}
}
