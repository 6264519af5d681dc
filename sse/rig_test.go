package sse

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/socket"
	"github.com/boreas-pubsub/boreas/v2/internal/ssetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plainListener hides that its connections are sockets, as TLS does.
type plainListener struct{ net.Listener }

type plainConn struct{ net.Conn }

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return plainConn{c}, err
}

// kind is the kind of connection of a stream.
type kind string

const (
	overSocket kind = "socket"
	overPlain  kind = "plain" // HTTP/1.1 over a connection without a file descriptor
	overTLS    kind = "TLS"   // HTTP/1.1
	overHTTP2  kind = "HTTP/2"

	zippedSocket kind = "socket, gzip" // streams of one channel are compressed
	zippedHTTP2  kind = "HTTP/2, gzip"
)

// base returns the kind without compression.
func (k kind) base() kind { return kind(strings.TrimSuffix(string(k), ", gzip")) }

// each runs a test with each kind of connection.
func each(t *testing.T, test func(t *testing.T, k kind)) {
	for _, k := range []kind{overSocket, overPlain, overTLS, overHTTP2, zippedSocket, zippedHTTP2} {
		t.Run(string(k), func(t *testing.T) { test(t, k) })
	}
}

// rig is a hub and a server for its streams.
type rig struct {
	*testing.T
	hub    *boreas.Hub
	server *httptest.Server
	zipped bool // requests accept gzip
}

func newRig(t *testing.T, k kind, h boreas.Options, o Options) *rig {
	t.Helper()
	if o.Check == nil {
		o.Check = boreastest.Check(func(token string) (string, bool) { return "user of " + token, strings.HasPrefix(token, "valid") })
	}
	hub := boreas.New(h)
	s := httptest.NewUnstartedServer(Handler(hub, o))
	switch k.base() {
	case overSocket:
		s.Start()
	case overPlain:
		s.Listener = plainListener{s.Listener}
		s.Start()
	case overTLS:
		s.Listener = socket.Listener(s.Listener)
		s.StartTLS()
	case overHTTP2:
		s.EnableHTTP2 = true
		s.StartTLS()
	}
	t.Cleanup(func() {
		hub.Shutdown(context.Background(), 0)
		s.Client().CloseIdleConnections()
		s.Close()
	})
	s.Client().Transport.(*http.Transport).DisableCompression = true // it would hide what the server sends
	return &rig{t, hub, s, k != k.base()}
}

// eng returns an engine with the logs of the golden examples.
func eng(t *testing.T, o memory.Options) *memory.Engine {
	e := memory.New(o)
	t.Cleanup(func() { e.Close() })
	return e
}

func (r *rig) publish(channel, data string) engine.Position {
	r.Helper()
	ack, err := r.hub.Publish(r.Context(), channel, engine.Message{Data: []byte(data)})
	if err != nil {
		r.Fatal(err)
	}
	return ack.Position
}

// ask sends a request. Header is a list of alternating names and values.
func (r *rig) ask(method, query string, header ...string) *http.Response {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.server.URL+Path+query, nil)
	if err != nil {
		r.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if r.zipped {
		req.Header.Add("Accept-Encoding", "gzip")
	}
	resp, err := r.server.Client().Do(req)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { resp.Body.Close() })
	return resp
}

// open opens a stream and reads its first event, the join.
func (r *rig) open(query string, header ...string) (*reader, event) {
	r.Helper()
	resp := r.ask("GET", query+"&access_token=valid", header...)
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		r.Fatalf("%s: %s", resp.Status, body)
	}
	s := &reader{ssetest.New(resp.Body), r.T, resp.Body}
	if zipped := r.zipped && strings.Count(query, "channel=") == 1; zipped {
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			r.Fatal(err)
		}
		s.Reader = ssetest.New(z)
		if got := resp.Header.Get("Content-Encoding"); got != "gzip" {
			r.Errorf("Content-Encoding: %q", got)
		}
	} else if got := resp.Header.Get("Content-Encoding"); got != "" {
		r.Errorf("Content-Encoding: %q", got)
	}
	join := s.next()
	if join.Type != "join" {
		r.Fatalf("the first event is %+v", join)
	}
	if join.Retry == "" {
		r.Errorf("no retry before %+v", join)
	}
	return s, join
}

// gone waits until the hub has no sessions. It pauses between two looks, because some sessions end
// after seconds.
func (r *rig) gone() {
	r.Helper()
	for began := time.Now(); r.hub.Sessions() > 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			r.Fatalf("%d sessions have not ended", r.hub.Sessions())
		}
	}
}

// event is one event, or a comment of the type ":".
type event = ssetest.Event

// reader reads the events of a stream.
type reader struct {
	*ssetest.Reader
	t    *testing.T
	body io.ReadCloser
}

// next returns the next event that is not a comment.
func (s *reader) next() event {
	s.t.Helper()
	e, err := s.Next()
	if err != nil {
		s.t.Fatalf("read: %v", err)
	}
	return e
}

func (s *reader) want(events ...event) {
	s.t.Helper()
	for _, want := range events {
		if diff := cmp.Diff(want, s.next()); diff != "" {
			s.t.Fatalf("(-want +got):\n%.2000s", diff)
		}
	}
}

func (s *reader) wantEnd() {
	s.t.Helper()
	if e, err := s.Read(); err != io.EOF && err != io.ErrUnexpectedEOF { // a compressed stream has no trailer
		s.t.Fatalf("got %+v, %v; want the end of the stream", e, err)
	}
}

// message returns the event of a message.
func message(id, channel, data string, p engine.Position) event {
	return event{ID: id, Data: fmt.Sprintf(`{"channel":"%s","message":%s,"position":"%v"}`, channel, data, p)}
}

// idOf returns the id of a stream of these channels at these positions.
func idOf(channels []string, places ...engine.Position) string {
	line := string(appendID(nil, checkOf(channels), places...))
	return strings.TrimSuffix(strings.TrimPrefix(line, "id: "), "\n")
}

func escape(s string) string { return url.QueryEscape(s) }
