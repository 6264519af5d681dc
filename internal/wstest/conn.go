package wstest

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options are the options of a connection. The zero value is right for most tests.
type Options struct {
	Header  http.Header                                                          // added to the handshake
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer's
	TLS     *tls.Config                                                          // for wss
	Context context.Context                                                      // closes the connection when it ends

	// Patience bounds the handshake, each read and each write; 0 means a minute.
	Patience time.Duration
}

// A Conn is a WebSocket connection. One goroutine may read from it while others write.
type Conn struct {
	net.Conn
	In       *bufio.Reader        // reads from the connection
	Response *http.Response       // to the handshake
	Deflate  *Deflate             // not nil if the server has accepted the offer of Options.Header
	OnPong   func(payload string) // if not nil, gets each pong that Next reads; set it before
	Patience time.Duration        // see Options; for the reader to change

	t     testing.TB // nil if the test has called Connect
	stop  func() bool
	ended error      // the error of Next
	mu    sync.Mutex // guards writing
}

// A Refused is the error of a handshake that the server refused.
type Refused struct {
	Response *http.Response // without its body
	Body     string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("the handshake was refused: %d %s", r.Response.StatusCode, r.Body)
}

// A Closed is the error of a connection that the server closed with a close frame.
type Closed struct {
	Code   int // 0 if the frame has none
	Reason string
}

func (c *Closed) Error() string { return fmt.Sprint("closed with ", c.Code, " ", c.Reason) }

// Code returns the code of a [Closed] error; 0 if err is another error.
func Code(err error) int {
	if closed := (*Closed)(nil); errors.As(err, &closed) {
		return closed.Code
	}
	return 0
}

// Status returns the status of a [Refused] error; 0 if err is another error.
func Status(err error) int {
	if refused := (*Refused)(nil); errors.As(err, &refused) {
		return refused.Response.StatusCode
	}
	return 0
}

// New returns a Conn over a connection, before the handshake.
func New(c net.Conn) *Conn { return &Conn{Conn: c, In: bufio.NewReader(c), Patience: time.Minute} }

// Connect opens a WebSocket. The error is a [*Refused] if the server refuses the handshake.
func Connect(address string, o Options) (*Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	nc, err := o.Dial(o.Context, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "wss" {
		config := o.TLS.Clone()
		config.ServerName = cmp.Or(config.ServerName, u.Hostname())
		nc = tls.Client(nc, config)
	}
	c := New(nc)
	c.Patience = cmp.Or(o.Patience, c.Patience)
	c.stop = context.AfterFunc(o.Context, func() { nc.Close() })
	if err := c.handshake(u, o.Header); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) handshake(u *url.URL, header http.Header) error {
	lines := []string{"Host: " + u.Host}
	for name, values := range header {
		for _, value := range values {
			lines = append(lines, name+": "+value)
		}
	}
	io.WriteString(c, Handshake(u.RequestURI(), lines...)) //nolint:errcheck // the answer shows it
	c.SetReadDeadline(time.Now().Add(c.Patience))
	var err error
	if c.Response, err = http.ReadResponse(c.In, nil); err != nil {
		return err
	}
	if c.Response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(c.Response.Body)
		return &Refused{c.Response, string(body)}
	}
	// The key and the answer to it are those of RFC 6455, section 1.3.
	if got := c.Response.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		return fmt.Errorf("the handshake was accepted with the key %q", got)
	}
	c.Deflate, err = NewDeflate(header.Get(extensions), c.Response.Header.Get(extensions))
	return err
}

const extensions = "Sec-Websocket-Extensions"

// Handshake returns the request that opens a WebSocket. The lines are its other headers, with Host.
func Handshake(target string, lines ...string) string {
	return "GET " + target + " HTTP/1.1\r\n" + strings.Join(lines, "\r\n") +
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// Dial opens a WebSocket that is closed at the end of the test. The test fails if the handshake does.
func Dial(t testing.TB, address string, options ...Options) *Conn {
	t.Helper()
	c, err := Connect(address, append(options, Options{})[0])
	if err != nil {
		t.Fatalf("open %s: %v", address, err)
	}
	c.t = t
	t.Cleanup(func() { c.Close() })
	return c
}

// Close closes the connection without a close frame.
func (c *Conn) Close() error {
	if c.stop != nil {
		c.stop()
	}
	return c.Conn.Close()
}

// Write sends bytes as they are.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.SetWriteDeadline(time.Now().Add(time.Minute))
	return c.Conn.Write(b)
}

// Send sends messages: a string as it is, and all else as JSON. It returns no error, because the reader
// notices the end of a connection.
func (c *Conn) Send(messages ...any) {
	for _, m := range messages {
		text, ok := m.(string)
		if !ok {
			b, err := json.Marshal(m)
			if err != nil {
				panic(err)
			}
			text = string(b)
		}
		io.WriteString(c, Text(text)) //nolint:errcheck // see above
	}
}

// Next returns the next message. It answers pings and close frames. The error is a [*Closed] after a
// close frame. All later calls return the same error.
func (c *Conn) Next() (text string, err error) {
	for c.ended == nil {
		c.SetReadDeadline(time.Now().Add(c.Patience))
		op, payload, err := readFrame(c.In)
		if err == nil && op == RSV1|OpText && c.Deflate != nil {
			op = OpText
			payload, err = c.Deflate.Inflate(payload)
		}
		switch {
		case err != nil:
			c.ended = err
		case op == OpText:
			return string(payload), nil
		case op == OpPing:
			io.WriteString(c, Frame(Fin|OpPong, string(payload))) //nolint:errcheck // see Send
		case op == OpPong && c.OnPong != nil:
			c.OnPong(string(payload))
		case op == OpClose:
			io.WriteString(c, Frame(Fin|OpClose, string(payload))) //nolint:errcheck // see Send
			c.ended = closed(payload)
		case op != OpPong:
			c.ended = fmt.Errorf("a frame with the opcode %d", op)
		}
	}
	return "", c.ended
}

// Read returns the next message. The test fails if the connection ends.
func (c *Conn) Read() string {
	c.t.Helper()
	text, err := c.Next()
	if err != nil {
		c.t.Fatalf("read from %s: %v", c.RemoteAddr(), err)
	}
	return text
}

// ReadUntil returns the first message that contains the text.
func (c *Conn) ReadUntil(text string) string {
	c.t.Helper()
	for {
		if got := c.Read(); strings.Contains(got, text) {
			return got
		}
	}
}

// Want compares the next message.
func (c *Conn) Want(message string) {
	c.t.Helper()
	if got := c.Read(); got != message {
		c.t.Fatalf("got %.2000s\nwant %s", got, message)
	}
}

// End reads until the connection ends and returns the error of Next.
func (c *Conn) End() error {
	for {
		if _, err := c.Next(); err != nil {
			return err
		}
	}
}

// WantClosed checks that the next frame closes the connection with the code. It returns the reason.
func (c *Conn) WantClosed(code int) (reason string) {
	c.t.Helper()
	text, err := c.Next()
	if Code(err) != code {
		c.t.Fatalf("got %q, %v; want an end with %d", text, err, code)
	}
	return err.(*Closed).Reason
}
