package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

var errNoHello = errors.New("the server did not send the hello of protocol 2: is the URL correct?")

// A link is one WebSocket of a [Conn]. The goroutine of [Conn.run] reads from it. The other
// goroutines (write, watch and, while the token is renewed, refresh.run) end in close.
type link struct {
	// Immutable after dial.
	c      *Conn
	conn   *websocket.Conn
	hello  hello
	user   string
	born   time.Time
	ctx    context.Context // ends with the WebSocket
	cancel context.CancelCauseFunc

	// Owned by the reader: the server's goodbye and its time; nil if there was none.
	farewell   *goodbye
	farewellAt time.Time

	running sync.WaitGroup
	heard   atomic.Int64 // time of the last sign of life, in nanoseconds since born

	// Guarded by Conn.mu.
	token    string    // the token that the server accepted last
	refresh  *refresh  // the refresh in progress, if any
	joins    int       // join requests without a reply so far
	joinedAt time.Time // when all joins of the new connection had a reply

	mu    sync.Mutex
	out   [][]byte      // frames to write; guarded by mu
	ready chan struct{} // holds a token when out has frames; capacity 1
}

// dial connects and authenticates. If it fails, it returns a nil link and the reason.
func (c *Conn) dial() (*link, ending) {
	ctx, cancel := context.WithTimeout(c.ctx, c.o.HandshakeTimeout)
	defer cancel()
	// Get the token before connecting, because the server waits only a short time for it.
	token, err := c.o.token(ctx)
	if err != nil {
		return nil, tokenEnding(err)
	}
	if token != "" && c.refused != nil && token == *c.refused {
		return nil, sameToken(c.refusal)
	}
	l := &link{c: c, born: time.Now(), ready: make(chan struct{}, 1)}
	conn, resp, err := websocket.Dial(ctx, c.o.URL, &websocket.DialOptions{
		HTTPClient: c.o.HTTP,

		CompressionMode: compressionMode(c.o.Compression),

		OnPingReceived: func(context.Context, []byte) bool { l.hear(); return true },
	})
	if err != nil {
		return nil, handshakeEnding(resp, err)
	}
	conn.SetReadLimit(c.o.ReadLimit)
	l.conn = conn
	if e := l.begin(ctx, token); e.err != nil {
		conn.CloseNow() //nolint:errcheck // it may be closed already
		return nil, e
	}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.running.Go(l.write)
	l.running.Go(l.watch)
	return l, ending{}
}

// begin reads the hello and sends the token.
func (l *link) begin(ctx context.Context, token string) ending {
	f, err := l.read(ctx)
	switch {
	case ctx.Err() != nil:
		return ending{err: errNoHello}
	case err != nil:
		return l.ending(err)
	case f.Hello == nil && l.farewell != nil:
		_, err := l.read(ctx) // the close frame
		return l.ending(err)
	case f.Hello == nil:
		return ending{err: errNoHello, wrong: true}
	case f.Hello.Protocol != 2:
		return ending{err: fmt.Errorf("the server speaks protocol %d, and this client speaks 2", f.Hello.Protocol), final: true}
	}
	l.hello, l.user = *f.Hello, f.Hello.User
	if token == "" {
		return ending{}
	}
	for second := false; ; second = true {
		refusal, err := l.authenticate(ctx, token)
		if ctx.Err() != nil {
			return ending{err: errors.New("the server did not answer the token in time")}
		}
		if err != nil {
			return l.ending(err)
		}
		if refusal == nil {
			l.token = token // no other goroutine has the link yet
			return ending{}
		}
		if second || refusal.Retry != "new_token" || l.c.o.TokenFunc == nil {
			return ending{err: refusal, final: refusal.Retry == "never" || refusal.Retry == "new_token", after: refusal.RetryAfter}
		}
		refused := token
		if token, err = l.c.o.token(ctx); err != nil {
			return tokenEnding(err)
		}
		if token == refused {
			return sameToken(refusal)
		}
	}
}

// authenticate sends a token. It returns the server's refusal, or nil if the token was accepted.
func (l *link) authenticate(ctx context.Context, token string) (*Error, error) {
	l.c.mu.Lock()
	l.c.lastID++
	id := l.c.lastID
	l.c.mu.Unlock()
	text, err := requestFrame(id, "auth", authRequest{token})
	if err != nil {
		return nil, err
	}
	if err := l.conn.Write(ctx, websocket.MessageText, text); err != nil {
		return nil, broken(err)
	}
	for {
		f, err := l.read(ctx)
		if err != nil {
			return nil, err
		}
		switch answered, _ := f.id(); {
		case answered != id: // a heartbeat
		case f.Error != nil:
			return f.Error.as("authenticate"), nil
		case f.Auth != nil:
			l.user = f.Auth.User
			return nil, nil
		}
	}
}

// read returns the next frame. It also records a goodbye.
func (l *link) read(ctx context.Context) (*frame, error) {
	kind, text, err := l.conn.Read(ctx)
	if err != nil {
		if l.ctx != nil && l.ctx.Err() != nil && !errors.As(err, new(websocket.CloseError)) {
			return nil, context.Cause(l.ctx)
		}
		return nil, broken(err)
	}
	l.hear()
	if kind != websocket.MessageText {
		return nil, errors.New("the server sent a binary message, which protocol 2 does not have")
	}
	f, err := parseFrame(text)
	if err != nil {
		return nil, err
	}
	if f.Goodbye != nil {
		l.farewell, l.farewellAt = f.Goodbye, time.Now()
	}
	return f, nil
}

func (l *link) hear() { l.heard.Store(int64(time.Since(l.born))) }

// fail ends the connection with an error. Only the first error counts.
func (l *link) fail(err error) { l.cancel(err) }

// send queues a frame. The number of pending requests and of subscriptions bounds the queue.
func (l *link) send(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = append(l.out, text)
	poke(l.ready)
}

// write writes the queued frames.
func (l *link) write() {
	for {
		select {
		case <-l.ready:
		case <-l.ctx.Done():
			return
		}
		l.mu.Lock()
		frames := l.out
		l.out = nil
		l.mu.Unlock()
		for _, text := range frames {
			ctx, cancel := context.WithTimeout(l.ctx, writeTimeout)
			err := l.conn.Write(ctx, websocket.MessageText, text)
			cancel()
			if err != nil {
				// The server may have sent a reason before it closed: give the reader time to read
				// it.
				sleep(l.ctx, closeWait) //nolint:errcheck // an error means that the reader has read it
				l.fail(fmt.Errorf("the connection broke while writing: %w", err))
				return
			}
		}
	}
}

// answered records that n join requests have been answered. The caller holds the Conn's mu.
func (l *link) answered(n int) {
	if l.joins -= n; l.joins == 0 && l.joinedAt.IsZero() {
		l.joinedAt = time.Now()
	}
}

// watch ends the connection when the server is silent for too long (clause 8.1) and when the Conn
// is closed.
func (l *link) watch() {
	heartbeat := time.Duration(l.hello.Heartbeat) * time.Second
	ask := heartbeat == 0
	if ask {
		heartbeat = defaultHeartbeat
	}
	limit := heartbeat * 3 / 2
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.c.ctx.Done():
			l.leave()
			return
		case <-l.ctx.Done():
			return
		case <-timer.C:
		}
		quiet := time.Since(l.born) - time.Duration(l.heard.Load())
		switch {
		case quiet >= limit:
			l.fail(fmt.Errorf("%w for %s", errSilent, limit))
			return
		case quiet >= heartbeat && ask:
			l.send([]byte(`{"id":0,"ping":{}}`))
			timer.Reset(limit - quiet)
		case ask:
			timer.Reset(heartbeat - quiet)
		default:
			timer.Reset(limit - quiet)
		}
	}
}

// leave closes the WebSocket with a close handshake of at most closeWait.
func (l *link) leave() {
	hurry := time.AfterFunc(closeWait, func() { l.fail(ErrClosed) })
	defer hurry.Stop()
	l.conn.Close(websocket.StatusNormalClosure, "") // an error makes no difference here
	l.fail(ErrClosed)
}

// close ends the connection and waits for its goroutines.
func (l *link) close() {
	l.fail(errors.New("the connection has ended"))
	l.conn.CloseNow() //nolint:errcheck // it may be closed already
	l.running.Wait()
}
