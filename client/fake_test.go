package client

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a classic WebSocket server with in-memory connections, so that it works inside a
// synctest bubble. It does not use the client's WebSocket library.
type fake struct {
	t        *testing.T
	http     *http.Client
	accepted chan *peer
	refuse   chan http.HandlerFunc // HTTP responses to send instead of upgrading, in order
	deaf     bool                  // do not read the clients' frames
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, accepted: make(chan *peer, 16), refuse: make(chan http.HandlerFunc, 16)}
	network := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := httptest.NewUnstartedServer(f)
	server.Listener.Close()
	server.Listener = network
	server.Start()
	transport := &http.Transport{DialContext: network.dial, MaxIdleConnsPerHost: -1}
	f.http = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case answer := <-f.refuse:
		answer(w, r)
		return
	default:
	}
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	p := &peer{t: f.t, conn: conn, frames: make(chan string, 100), gone: make(chan error, 1)}
	if !f.deaf {
		go p.read()
	}
	f.accepted <- p
}

// subscriber returns a Subscriber that is connected to the fake.
func (f *fake) subscriber(o SubscriberOptions) *Subscriber {
	f.t.Helper()
	o.URL, o.HTTP = "ws://fake/", f.http
	s, err := NewSubscriber(o)
	if err != nil {
		f.t.Fatal(err)
	}
	s.random = func(limit time.Duration) time.Duration { return limit }
	return s
}

// A peer is the server's end of a connection.
type peer struct {
	t      *testing.T
	conn   *websocket.Conn
	frames chan string
	gone   chan error
}

// read collects frames. The library answers pings while it reads.
func (p *peer) read() {
	for {
		_, text, err := p.conn.ReadMessage()
		if err != nil {
			p.gone <- err
			p.conn.Close()
			return
		}
		p.frames <- string(text)
	}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if err := p.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Error(err)
	}
}

// sendTogether sends several messages in one write, so that the client reads them without a pause.
func (p *peer) sendTogether(texts ...string) {
	p.t.Helper()
	var frames []byte
	for _, text := range texts {
		if len(text) > 125 {
			p.t.Fatal("a frame of this length has another header")
		}
		frames = append(append(frames, 0x81, byte(len(text))), text...)
	}
	if _, err := p.conn.NetConn().Write(frames); err != nil {
		p.t.Error(err)
	}
}

func (p *peer) sendClose(code int, reason string) {
	p.t.Helper()
	if err := p.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason)); err != nil {
		p.t.Error(err)
	}
}

// pipes is a network made of net.Pipe.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
