package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// closeWait is how long to wait for the server's close frame before closing the socket.
const closeWait = 250 * time.Millisecond

var errSilent = errors.New("the server sent nothing for too long")

// A connection is one WebSocket of a [Subscriber]. It has three goroutines, all of which end in
// close: the first reads, the second writes the token and the joins, and the third pings the server
// when it is silent.
type connection struct {
	// Immutable after connect.
	s        *Subscriber
	conn     *websocket.Conn
	born     time.Time
	ctx      context.Context // ends with the connection; the end of the caller's context does not cancel it
	cancel   context.CancelCauseFunc
	messages chan Message  // closed by the reader when the connection is lost
	joined   chan struct{} // closed when the server has processed the token and the joins

	running sync.WaitGroup
	heard   atomic.Int64 // time of the last sign of life, in nanoseconds since born
	handing atomic.Bool  // the reader waits for the caller and reads nothing meanwhile
}

// connect opens a connection and starts its goroutines.
func (s *Subscriber) connect(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.HandshakeTimeout)
	defer cancel()
	token, err := s.o.TokenFunc(ctx)
	if err != nil {
		return nil, fmt.Errorf("get a token: %w", err)
	}
	c := &connection{s: s, messages: make(chan Message), joined: make(chan struct{}), born: time.Now()}
	conn, resp, err := websocket.Dial(ctx, s.o.URL, &websocket.DialOptions{
		HTTPClient: s.o.HTTP,

		CompressionMode: compressionMode(s.o.Compression),

		OnPingReceived: func(context.Context, []byte) bool { c.hear(); return true },
		OnPongReceived: func(context.Context, []byte) { c.hear() },
	})
	if err != nil {
		return nil, refusal(resp, err)
	}
	conn.SetReadLimit(s.o.ReadLimit)
	c.conn = conn
	c.ctx, c.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	c.running.Go(c.read)
	c.running.Go(func() { c.write(token) })
	c.running.Go(c.watch)
	return c, nil
}

// refusal returns the error of a failed handshake: an [Error] if the server answered over HTTP.
func refusal(resp *http.Response, err error) error {
	const op = "connect"
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return fmt.Errorf("%s: %w", op, withoutURL(err))
	}
	e := &Error{Op: op, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header), Message: redirection(resp)}
	// coder/websocket keeps the first 1,024 bytes of the body.
	text, _ := io.ReadAll(resp.Body)
	if reason := strings.TrimSpace(string(text)); e.Message == "" && reason != "" && !strings.HasPrefix(reason, "<") {
		e.Errors = []string{reason}
	}
	return e
}

// fail ends the connection with an error. Only the first error counts.
func (c *connection) fail(err error) { c.cancel(err) }

// reason returns why the connection ended.
func (c *connection) reason() error { return context.Cause(c.ctx) }

// close closes the WebSocket, for at most closeWait, and waits for the goroutines.
func (c *connection) close() {
	if c.ctx.Err() == nil {
		hurry := time.AfterFunc(closeWait, func() { c.fail(errLeft) })
		defer hurry.Stop()
		c.running.Go(func() {
			c.conn.Close(websocket.StatusNormalClosure, "") // an error makes no difference here
			c.fail(errLeft)
		})
	}
	for range c.messages { // the reader may be blocked on a send
	}
	c.conn.CloseNow() //nolint:errcheck // it may be closed already
	c.running.Wait()
}

func (c *connection) hear() { c.heard.Store(int64(time.Since(c.born))) }

// read passes the server's messages to the caller's loop.
func (c *connection) read() {
	defer close(c.messages)
	for {
		kind, frame, err := c.conn.Read(c.ctx)
		if err != nil {
			c.fail(closed(err))
			return
		}
		c.hear()
		m, err := parse(kind, frame)
		if err != nil {
			c.fail(err)
			return
		}
		c.handing.Store(true)
		select {
		case c.messages <- m:
		case <-c.ctx.Done():
			return
		}
		c.hear() // count silence from here: the reader could not hear anything before
		c.handing.Store(false)
	}
}

// closed returns a plain description of why the connection was lost.
func closed(err error) error {
	var frame websocket.CloseError
	switch {
	case errors.As(err, &frame) && frame.Reason != "":
		return fmt.Errorf("the server closed the connection with %d: %s", int(frame.Code), frame.Reason)
	case errors.As(err, &frame):
		return fmt.Errorf("the server closed the connection with %d", int(frame.Code))
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fmt.Errorf("a message is larger than ReadLimit: %w", err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the connection broke: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("the connection broke: %w", err)
}

// parse parses a message of the classic wire.
func parse(kind websocket.MessageType, frame []byte) (Message, error) {
	var m struct {
		Message json.RawMessage `json:"message"`
		Channel *string         `json:"channel"`
	}
	if kind != websocket.MessageText || json.Unmarshal(frame, &m) != nil || m.Channel == nil || m.Message == nil {
		return Message{}, errors.New("the server sent a message that is not a classic one; is this the URL of a Boreas server?")
	}
	return Message{Channel: *m.Channel, Data: m.Message}, nil
}

// write sends the token, joins the channels, and later sends the changes of the list of channels.
func (c *connection) write(token string) {
	if token != "" {
		if !c.send(map[string]string{"access_token": token}) {
			return
		}
	}
	joined := map[string]struct{}{}
	for first := true; ; first = false {
		join, leave := c.s.difference(joined)
		for _, request := range requests(join, leave) {
			if !c.send(request) {
				return
			}
		}
		if first {
			// The server handles a client's frames in order. Its pong means that it has handled all
			// frames before the ping.
			if !c.alive() {
				return
			}
			close(c.joined)
		}
		select {
		case <-c.s.changed:
		case <-c.ctx.Done():
			return
		}
	}
}

// send writes one request. It returns false if the connection is lost.
func (c *connection) send(request any) bool {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(request)
	if err == nil {
		ctx, cancel := context.WithTimeout(c.ctx, c.s.o.PingTimeout)
		defer cancel()
		err = c.conn.Write(ctx, websocket.MessageText, bytes.TrimSpace(text.Bytes()))
	}
	if err != nil {
		c.fail(fmt.Errorf("the connection broke while writing: %w", err))
		return false
	}
	return true
}

// watch pings the server whenever it has been silent for PingAfter.
func (c *connection) watch() {
	for {
		quiet := time.Since(c.born) - time.Duration(c.heard.Load())
		if c.handing.Load() {
			quiet = 0
		}
		if quiet < c.s.o.PingAfter {
			if sleep(c.ctx, c.s.o.PingAfter-quiet) != nil {
				return
			}
			continue
		}
		if !c.alive() {
			return
		}
	}
}

// alive pings the server and waits for the pong. Without a pong in time it ends the connection and
// returns false. Any other frame is an equally good sign of life. If the caller's loop is slow, the
// pong cannot be read, so alive returns true.
func (c *connection) alive() bool {
	before := c.heard.Load()
	ctx, cancel := context.WithTimeout(c.ctx, c.s.o.PingTimeout)
	defer cancel()
	err := c.conn.Ping(ctx)
	if err == nil {
		return true
	}
	if c.ctx.Err() == nil && (c.handing.Load() || c.heard.Load() != before) {
		return true
	}
	c.fail(fmt.Errorf("%w for %s", errSilent, c.s.o.PingTimeout))
	return false
}
