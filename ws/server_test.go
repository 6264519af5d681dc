package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	coder "github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	gorilla "github.com/gorilla/websocket"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/socket"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// plainListener hides that its connections are sockets, as TLS over another listener does.
type plainListener struct{ net.Listener }

type plainConn struct{ net.Conn }

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return plainConn{c}, err
}

// kind is the kind of connection.
type kind string

const (
	overSocket kind = "socket"
	overPlain  kind = "plain" // a connection without a file descriptor
	overTLS    kind = "TLS"
)

// secure are the addresses of servers that have TLS.
var secure sync.Map

// connect dials an address, with TLS if it is one of those.
func connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if _, ok := secure.Load(addr); ok {
		return (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// server runs a handler on a port of this machine.
func server(t *testing.T, k kind, h boreas.Options, o Options) (*boreas.Hub, string) {
	t.Helper()
	return serverOf(t, k, h, func(hub *boreas.Hub) http.Handler { return Classic(hub, withTestDefaults(o)) })
}

func withTestDefaults(o Options) Options {
	if o.Check == nil {
		o.Check = boreastest.Check(func(token string) (string, bool) { return "user", token == "valid" })
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 50 * time.Millisecond // short, because no test needs it
	}
	return o
}

func serverOf(t *testing.T, k kind, h boreas.Options, handler func(*boreas.Hub) http.Handler) (*boreas.Hub, string) {
	t.Helper()
	hub := boreas.New(h)
	s := httptest.NewUnstartedServer(handler(hub))
	switch k {
	case overSocket:
		s.Start()
	case overPlain:
		s.Listener = plainListener{s.Listener}
		s.Start()
	case overTLS:
		s.Listener = socket.Listener(s.Listener)
		s.StartTLS()
		secure.Store(s.Listener.Addr().String(), nil)
		t.Cleanup(func() { secure.Delete(s.Listener.Addr().String()) }) // another process may get the port next
	}
	t.Cleanup(func() {
		hub.Shutdown(context.Background(), 0)
		s.Close()
	})
	return hub, s.Listener.Addr().String()
}

// each runs a test with each kind of connection.
func each(t *testing.T, test func(t *testing.T, k kind)) {
	for _, k := range []kind{overSocket, overPlain, overTLS} {
		t.Run(string(k), func(t *testing.T) { test(t, k) })
	}
}

func publish(t *testing.T, hub *boreas.Hub, channel, data string) {
	t.Helper()
	if _, err := hub.Publish(context.Background(), channel, engine.Message{Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

func TestOverSockets(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		hub, addr := server(t, k, boreas.Options{}, Options{})
		a := newClient(t, addr)
		a.send(auth, joining("news"))
		a.sync()
		big := `"` + strings.Repeat("x", 1<<20) + `"`
		publish(t, hub, "news", "1")
		publish(t, hub, "news", big)
		publish(t, hub, "news", `{"a": 2}`)
		a.want(`text {"message": 1, "channel": "news"}`, `text {"message": `+big+`, "channel": "news"}`, `text {"message": {"a": 2}, "channel": "news"}`)
		a.write(closeOf("\x03\xe8bye"))
		a.want("close 1000 ")
		a.wantEOF()
	})
}

// TestASlowClient does not read while more is published than its socket can buffer. Afterwards it
// reads everything.
func TestASlowClient(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		hub, addr := server(t, k, boreas.Options{}, Options{})
		c := newClient(t, addr)
		c.send(auth, joining("news"))
		c.sync()
		pad := strings.Repeat("x", 10_000)
		const n = 1500 // below the log's bound of 16 MiB
		for i := range n {
			publish(t, hub, "news", fmt.Sprintf(`"%d %s"`, i, pad))
		}
		for i := range n {
			c.want(fmt.Sprintf(`text {"message": "%d %s", "channel": "news"}`, i, pad))
		}
	})
}

// expired is an engine that records when a read fails because messages are no longer kept.
type expired struct {
	engine.Engine
	once  sync.Once
	found chan struct{}
}

func (e *expired) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, err := e.Engine.Read(ctx, channel, since, limit)
	if errors.Is(err, engine.ErrExpired) {
		e.once.Do(func() { close(e.found) })
	}
	return h, err
}

// The server disconnects the client some seconds after it has noticed the stall, so the client
// starts to read as soon as that has happened.
func TestAStalledClientIsClosedWithItsReason(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		memory := memory.New(memory.Options{Messages: 10})
		t.Cleanup(func() { memory.Close() })
		engine := &expired{Engine: memory, found: make(chan struct{})}
		hub, addr := server(t, k, boreas.Options{Engine: engine}, Options{})
		c, other := newClient(t, addr), newClient(t, addr)
		for _, c := range []*client{c, other} {
			c.send(auth, joining("news"))
			c.sync()
		}
		big := `"` + strings.Repeat("x", 1<<20) + `"`
		for noticed := false; !noticed; {
			publish(t, hub, "news", big)
			other.want(`text {"message": ` + big + `, "channel": "news"}`)
			select {
			case <-engine.found:
				noticed = true
			default:
			}
		}
		for {
			f := c.next()
			if strings.HasPrefix(f, "close") {
				if f != "close 1008 reading too slowly: messages are no longer kept" {
					t.Errorf("got %q", f)
				}
				return
			}
		}
	})
}

// A close frame that has not been written yet does not count as unanswered.
func TestTheCloseTimeoutBeginsWhenTheCloseFrameIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := boreas.New(boreas.Options{})
		c := &conn{h: newHandler(hub, withTestDefaults(Options{}), classicDialect{})}
		near, far := net.Pipe() // a write takes until the other end has read it
		c.Attach(near)
		s, err := hub.Reserve(netip.MustParseAddr("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		c.sess = s
		if err := s.Start(c, c.h.formats.plain, nil); err != nil {
			t.Fatal(err)
		}
		c.h.workers.open()
		go c.serve(nil)
		s.End(boreas.ErrSlow)
		<-time.After(20 * time.Second) // less than one write may take
		client := &client{wstest.New(far), t}
		client.want("close 1008 " + boreas.ErrSlow.Error())
		began := time.Now()
		client.wantEOF()
		if took := time.Since(began); took != c.h.options.CloseTimeout {
			t.Errorf("the connection ended %v after its close frame, want %v", took, c.h.options.CloseTimeout)
		}
		far.Close()
		hub.Shutdown(context.Background(), 0)
	})
}

func TestShutdownClosesWith1001(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		hub, addr := server(t, k, boreas.Options{}, Options{})
		c := newClient(t, addr)
		c.sync()
		done := make(chan error)
		go func() { done <- hub.Shutdown(context.Background(), 0) }()
		c.want("close 1001 server is shutting down")
		c.write(closeOf("\x03\xe9"))
		c.wantEOF()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAClientThatDoesNotAnswerTheClose(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		hub, addr := server(t, k, boreas.Options{}, Options{CloseTimeout: 10 * time.Millisecond})
		c := newClient(t, addr)
		c.sync()
		if err := hub.Shutdown(context.Background(), 0); err != nil {
			t.Error(err)
		}
		c.want("close 1001 server is shutting down")
		c.wantEOF()
	})
}

func TestOtherLibraries(t *testing.T) {
	hub, addr := server(t, overSocket, boreas.Options{}, Options{})
	g, _, err := gorilla.DefaultDialer.Dial("ws://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	g.WriteMessage(gorilla.TextMessage, []byte(auth))
	g.WriteMessage(gorilla.TextMessage, []byte(joining("news")))
	c, _, err := coder.Dial(t.Context(), "ws://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.Write(t.Context(), coder.MessageText, []byte(auth))
	c.Write(t.Context(), coder.MessageText, []byte(joining("news")))
	for len(hub.ChannelIdentities("news")) < 2 {
		runtime.Gosched() // the classic wire does not confirm a join
	}
	publish(t, hub, "news", `"hello"`)
	const want = `{"message": "hello", "channel": "news"}`
	if _, b, err := g.ReadMessage(); err != nil || string(b) != want {
		t.Errorf("gorilla got %q, %v", b, err)
	}
	if _, b, err := c.Read(t.Context()); err != nil || string(b) != want {
		t.Errorf("coder got %q, %v", b, err)
	}
	if err := c.Close(coder.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("coder: %v", err)
	}
	if err := g.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(1000, "bye"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.ReadMessage(); !gorilla.IsCloseError(err, 1000) {
		t.Errorf("gorilla: %v", err)
	}
}

func TestNoAuth(t *testing.T) {
	hub, addr := server(t, overSocket, boreas.Options{}, Options{NoAuth: true})
	c := newClient(t, addr)
	c.send(auth, joining("news"))
	c.sync()
	if got := hub.Counts(); got.Anonymous != 0 || len(got.Identities) != 1 || got.Identities[0].Name == "valid" || len(got.Channels) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestNoCheck: without a function that checks tokens, the first token would cause a panic.
func TestNoCheck(t *testing.T) {
	for name, handler := range map[string]func(*boreas.Hub, Options) http.Handler{"Classic": Classic, "Handler": Handler} {
		func() {
			defer func() {
				const want = "ws: Options.Check is nil: set it to a function that checks tokens, or set NoAuth to let every client connect"
				if got := recover(); got != want {
					t.Errorf("%s: got %v, want %s", name, got, want)
				}
			}()
			handler(nil, Options{})
		}()
	}
}

func TestNoRoom(t *testing.T) {
	n := new(Counters)
	hub, addr := server(t, overSocket, boreas.Options{MaxSessions: 1}, Options{Counters: n, RetryAfter: 7 * time.Second})
	c := newClient(t, addr)
	c.sync()
	refused := func(sentence string) {
		t.Helper()
		var r *wstest.Refused
		if _, err := wstest.Connect("ws://"+addr, wstest.Options{}); !errors.As(err, &r) {
			t.Fatal("not refused: ", err)
		}
		got := fmt.Sprint(r.Response.StatusCode, " ", r.Response.Header.Get("Retry-After"), " ", r.Body)
		if got != "503 7 "+sentence+"\n" {
			t.Errorf("got %s", got)
		}
	}
	refused("The server has reached its limit of connections (max_connections). Reconnect after the number of seconds in Retry-After.")
	go hub.Shutdown(context.Background(), 0)
	c.want("close 1001 server is shutting down")
	refused("The server is shutting down. Reconnect after the number of seconds in Retry-After.")
	if n.Full.Load() != 2 {
		t.Errorf("counted %d", n.Full.Load())
	}
}

func TestManyConnectAndDisconnect(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		hub, addr := server(t, k, boreas.Options{}, Options{})
		for round := range 5 {
			var all []*client
			for range 40 {
				c := newClient(t, addr)
				c.send(auth, joining("news"))
				all = append(all, c)
			}
			for _, c := range all {
				c.sync()
			}
			publish(t, hub, "news", "1")
			for i, c := range all {
				c.want(`text {"message": 1, "channel": "news"}`)
				if (round+i)%2 == 0 {
					c.write(closeOf(""))
					c.want("close")
				}
				c.Close()
			}
		}
	})
}

// client is a client that sees each frame.
type client struct {
	*wstest.Conn
	t *testing.T
}

func newClient(t *testing.T, addr string) *client {
	t.Helper()
	return newClientAt(t, addr, "/")
}

func newClientAt(t *testing.T, addr, path string) *client {
	t.Helper()
	return &client{wstest.Dial(t, "ws://"+addr+path, wstest.Options{Dial: connect}), t}
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) send(messages ...string) {
	for _, m := range messages {
		c.write(text(m))
	}
}

// next reads one frame, in the words of wstest.Describe.
func (c *client) next() string {
	c.t.Helper()
	op, payload, err := c.Frame()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return wstest.Describe(op, payload)
}

func (c *client) want(frames ...string) {
	c.t.Helper()
	for _, want := range frames {
		if diff := cmp.Diff(want, c.next()); diff != "" {
			c.t.Fatalf("(-want +got):\n%.2000s", diff)
		}
	}
}

func (c *client) wantEOF() {
	c.t.Helper()
	if b, err := c.In.ReadByte(); err != io.EOF {
		c.t.Errorf("got %q, %v; want the end of the connection", b, err)
	}
}

// sync waits until the server has processed everything that was sent.
func (c *client) sync() {
	c.t.Helper()
	c.write(ping("sync"))
	c.want("pong sync")
}

var _ syscall.Conn = (*net.TCPConn)(nil) // and plainConn does not implement it
