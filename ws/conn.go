package ws

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/internal/socket"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// conn is one WebSocket connection. Its goroutine waits for input without holding a buffer, and
// passes the input to a worker, so that the stacks of most goroutines stay small. Once the session
// has started, only the hub writes to the connection, by TryWrite.
type conn struct {
	socket.Conn
	h    *handler
	sess *boreas.Session // immutable after the first read

	// header holds the handshake's headers for Check. Immutable after the first read.
	header map[string][]string

	// Owned by the reading goroutine, and by the worker that it waits for.
	in        *inbound      // a frame or message that has arrived in part; nil if there is none
	user      *limit.Client // the limits of the session's user; nil if there are none
	rare      *rare         // see there; nil until it is needed
	reading   reading
	malformed uint8 // consecutive malformed requests

	// clientBits is that of compression: the window for compressed messages of the client. It is 0
	// if the client must not compress. Immutable.
	clientBits uint8

	// Owned by the reading goroutine.
	limited bool // a message that has arrived in part has a deadline

	// Guarded by mu.
	mu         sync.Mutex
	peerClosed bool // the client's close frame has arrived
	finished   bool // the hub has called Finish and writes nothing more
}

// rare is the part of a conn that an idle connection does not need.
type rare struct {
	frames frameBudget // limits frames that are not requests
	window []byte      // the end of the client's compressed messages, for the next one
}

// more returns c.rare.
func (c *conn) more() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// reading says which input from the client is still processed. It only increases.
type reading uint8

const (
	readAll     reading = iota
	readClose           // only a close frame, because the session has ended
	readNothing         // nothing: the close frame has arrived, or the next frame cannot be found
)

// only stops processing input other than r.
func (c *conn) only(r reading) { c.reading = max(c.reading, r) }

// Describe returns the transport's name and the client's address, for lists of sessions.
func (c *conn) Describe() (transport, address string) {
	return c.h.dialect.name(), socket.AddressText(c.RemoteAddr())
}

// errGone is the reason for the end of a session whose connection ended without a close frame.
var errGone = errors.New("the connection ended without a close frame")

// upgrade takes the connection over from the HTTP server, answers the handshake, starts the session
// and starts to read. If it fails, it closes the connection and returns false.
func (c *conn) upgrade(w http.ResponseWriter, a *answer, agreed compression, grant *access.Grant) bool {
	early, start, err := c.take(w)
	if err != nil {
		http.Error(w, "This connection cannot become a WebSocket: "+err.Error(), http.StatusNotImplemented)
		return false
	}
	c.HoldFor(c)
	// From Start on, the hub may write to the connection.
	format := c.h.formats.of(agreed)
	if c.h.options.NoAuth {
		identity := newIdentity()
		grant = &access.Grant{Identity: identity, TokenID: identity, Kind: "none", User: identity}
	}
	greeted := grant
	if c.h.options.NoAuth {
		greeted = nil // the client may request its name with auth (clause 3.5)
	}
	greet := c.h.dialect.greeting(c.h, greeted)
	err = c.sess.Start(c, format, func(id string) []byte {
		b := a.append(make([]byte, 0, answerSize))
		if greet != nil {
			b = greet(b, id) // in one write, which costs less than two
		}
		return b
	})
	if err != nil {
		c.NetConn().Write(format.AppendEnd(a.append(nil), err))
		c.Drop()
		return false
	}
	if grant != nil {
		if err := c.use(grant); err != nil {
			c.sess.End(err)
		}
	}
	c.h.workers.open()
	start(func() { c.serve(early) })
	return true
}

// answerSize is enough for the answer to a handshake and protocol 2's hello.
const answerSize = 384

// take takes the connection over from the HTTP server. early has the bytes after the request. start
// calls a function on a goroutine with a small stack.
func (c *conn) take(w http.ResponseWriter) (early []byte, start func(serve func()), err error) {
	if t, ok := w.(socket.Taker); ok {
		from, early := t.Take()
		c.Move(from)
		return append([]byte(nil), early...), t.Serve, nil
	}
	hj, ok := w.(http.Hijacker)
	if !ok {
		return nil, nil, errNotPlain
	}
	nc, brw, err := hj.Hijack()
	if err != nil {
		return nil, nil, err
	}
	c.Attach(nc)
	early, _ = brw.Reader.Peek(brw.Reader.Buffered()) // what net/http has read; it cannot fail
	return append([]byte(nil), early...), func(serve func()) { go serve() }, nil
}

var errNotPlain = errors.New("it is not plain HTTP/1.1")

// serve reads until the connection ends.
func (c *conn) serve(early []byte) {
	err := c.readRecovering(early)
	c.sess.Lost(err)
	c.countUnfinished()
	if c.in != nil {
		c.in.drop()
	}
	c.Drop()
	c.h.workers.close()
	c.sess.Done()
}

// maxIgnored is how many bytes are read from a client that has not closed the connection after
// its session ended. The system resets a connection that is closed with bytes unread, and the
// client could lose the close frame.
const maxIgnored = 256 << 10

func (c *conn) read(early []byte) error {
	for len(early) > 0 {
		b := socket.NewBuffer()
		early = early[b.Fill(early):]
		c.handle(b)
	}
	for ignored := 0; ; {
		b, err := c.Wait()
		if c.messageLate(err) {
			continue
		}
		if err != nil {
			return err
		}
		if c.ended() {
			if ignored += len(b.Bytes()); ignored > maxIgnored {
				b.Release()
				// The kernel keeps further bytes unread. The client has time to read the close frame.
				time.Sleep(c.h.options.CloseTimeout)
				return errGone
			}
		}
		c.handle(b)
	}
}

// handle processes the buffer's bytes. If a client sends requests faster than it reads the
// replies, handle waits, so that the client's socket fills up.
func (c *conn) handle(b *socket.Buffer) {
	c.sess.Alive()
	c.handleOnWorker(b)
	for {
		if c.h.dialect.backpressure() {
			c.sess.AwaitAnswered()
		}
		c.awaitRoom()
		if c.in == nil || len(c.in.pending) == 0 {
			break
		}
		b := socket.NewBuffer()
		b.Fill(c.in.pending) // these bytes came from one buffer
		c.in.pending = nil
		c.handleOnWorker(b)
	}
	c.limitMessage()
}

// handleOnWorker passes the buffer to a worker, waits until the worker has processed its requests,
// and releases it. A request may wait for an engine. Meanwhile the client's pongs are not read, so
// the session is marked as occupied.
func (c *conn) handleOnWorker(b *socket.Buffer) {
	c.sess.Occupied(true)
	c.h.workers.do(c, b)
	c.sess.Alive()
	c.sess.Occupied(false)
}

// blocking runs a function that may wait, on a worker. The answers to earlier requests do not wait
// for it.
func (c *conn) blocking(run func()) {
	c.sess.Flush()
	c.h.workers.blocking(run)
}

// Finish implements [boreas.Conn]. If a close frame was sent, the connection stays open
// for CloseTimeout at most, until the client has sent its own, and then for lingerTimeout,
// until it has closed the connection. Both times start when the close frame has been written.
// Closing the connection earlier would cut off that write, and the client would not receive the
// reason.
func (c *conn) Finish(reason error, said bool) {
	c.refused(reason, "session", "")
	c.mu.Lock()
	c.finished = true
	exchanged := c.peerClosed
	c.mu.Unlock()
	if said && c.h.dialect.closeFor(reason).code == ws.StatusInternalServerError {
		c.h.options.Log.Error("a subscriber was disconnected", "error", reason)
	}
	if !said {
		c.Close() // the reading goroutine notices it and cleans up
		return
	}
	c.AfterWrite(func() { c.SetReadDeadline(time.Now().Add(c.h.options.CloseTimeout)) })
	if exchanged {
		c.endWriting()
	}
}

// ended reports whether the hub has finished the session.
func (c *conn) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finished
}

// closedByPeer records that the client's close frame has arrived. It returns true if the close
// handshake is complete, because the server has sent its close frame before.
func (c *conn) closedByPeer() (over bool) {
	c.mu.Lock()
	c.peerClosed = true
	over = c.finished
	c.mu.Unlock()
	if over {
		c.endWriting()
	}
	return over
}

// lingerTimeout is how long a connection stays open after both close frames, to receive bytes
// that the client has sent after its own, against the protocol. It is short, because the
// server's shutdown waits for it.
const lingerTimeout = 500 * time.Millisecond

// endWriting ends the connection once both close frames have been sent (RFC 6455, section
// 7.1.1): the client sees the end and closes the connection, or the timeout ends. Closing it
// here instead would reset it if further bytes had arrived meanwhile.
func (c *conn) endWriting() {
	if !c.CloseWrite() {
		c.Close()
		return
	}
	c.AfterWrite(func() { c.SetReadDeadline(time.Now().Add(min(lingerTimeout, c.h.options.CloseTimeout))) })
}
