package ws

import (
	"bufio"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/internal/limit"
	"github.com/boreas-pubsub/boreas/internal/socket"
)

// conn is one WebSocket: the way out of a session, and the reader of what its
// client sends. Its own goroutine reads; the hub writes.
type conn struct {
	socket.Conn
	h    *handler
	sess *boreas.Session // set before anything is read

	// in is what has been read of a frame or message not yet whole, nil while
	// there is none. Owned by the reading goroutine and the worker it waits for.
	in *inbound

	// header are the headers of the handshake that a backend is asked with. Set before
	// anything is read.
	header map[string][]string

	// user holds the limits of the session's user; nil if there are none. Owned like in.
	user *limit.Client

	// frames bounds the frames that are not requests; nil before the first one. Owned like in.
	frames *frameBudget

	// Owned like in. Failed: the client broke the protocol, and only its close frame is still
	// processed. Deaf: not even its close frame is. Malformed is the number of consecutive
	// malformed requests.
	failed, deaf bool
	malformed    uint8

	limited bool // time limit of a message that has arrived in part; used by the reading goroutine

	mu         sync.Mutex
	peerClosed bool // the client's close frame has come
	finished   bool // the hub writes nothing more
}

// Describe tells what the connection is, for lists of sessions.
func (c *conn) Describe() (transport, address string) {
	return c.h.dialect.name(), c.RemoteAddr().String()
}

// errGone ends a session whose connection ended without a close frame.
var errGone = errors.New("the connection ended without a close frame")

// upgrade takes the connection over from net/http, answers the handshake, makes the session live
// and starts to read. If it fails, it closes the connection and returns false.
func (c *conn) upgrade(w http.ResponseWriter, accept string, protocols []string, grant *access.Grant) bool {
	hj, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "This connection cannot become a WebSocket: it is not plain HTTP/1.1.", http.StatusNotImplemented)
		return false
	}
	nc, brw, err := hj.Hijack()
	if err != nil {
		http.Error(w, "This connection cannot become a WebSocket: "+err.Error(), http.StatusInternalServerError)
		return false
	}
	early, err := buffered(brw.Reader)
	if err == nil {
		// A new socket has room for so little: this does not wait.
		_, err = nc.Write(appendAnswer(make([]byte, 0, 256), accept, firstProtocol(protocols)))
	}
	if err != nil {
		nc.Close() // the client has gone: nobody is left to be told
		return false
	}
	c.Attach(nc)
	c.HoldFor(c)
	// Not before: from here on the hub may write to the connection.
	format := c.h.dialect.format()
	if c.h.options.NoAuth {
		identity := newIdentity()
		grant = &access.Grant{Identity: identity, TokenID: identity, Kind: "none", User: identity}
	}
	told := grant
	if c.h.options.NoAuth {
		told = nil // it may still ask for its name, as clause 3.5 says
	}
	if err := c.sess.Start(c, format, c.h.dialect.greeting(c.h, told)); err != nil {
		nc.Write(format.AppendEnd(nil, err))
		nc.Close()
		return false
	}
	if grant != nil {
		if err := c.becomes(grant); err != nil {
			c.sess.End(err)
		}
	}
	c.h.workers.open()
	go c.serve(early)
	return true
}

// buffered returns a copy of what net/http has read beyond the handshake.
func buffered(r *bufio.Reader) ([]byte, error) {
	n := r.Buffered()
	if n == 0 {
		return nil, nil
	}
	b, err := r.Peek(n)
	return append([]byte(nil), b...), err
}

func appendAnswer(b []byte, accept, protocol string) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = append(b, accept...)
	if protocol != "" {
		b = append(b, "\r\nSec-WebSocket-Protocol: "...)
		b = append(b, protocol...)
	}
	return append(b, "\r\n\r\n"...)
}

// serve reads until the connection ends.
func (c *conn) serve(early []byte) {
	err := c.readGuarded(early)
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
		c.feed(b)
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
				// Bytes that it sends from here on stay unread in the kernel. The client has time to read
				// the close frame.
				time.Sleep(c.h.options.CloseTimeout)
				return errGone
			}
		}
		c.feed(b)
	}
}

// feed processes the buffer's bytes. If a client asks faster than it reads the answers, feed
// waits, so that the client's socket fills up in the end.
func (c *conn) feed(b *socket.Buffer) {
	c.sess.Alive()
	c.carryOut(b)
	for {
		if c.h.dialect.patient() {
			c.sess.AwaitAnswered()
		}
		c.awaitRoom()
		if c.in == nil || len(c.in.later) == 0 {
			break
		}
		b := socket.NewBuffer()
		b.Fill(c.in.later) // no more than once was in a buffer
		c.in.later = nil
		c.carryOut(b)
	}
	c.limitMessage()
}

// carryOut passes the buffer's requests to a worker, and releases the buffer. A request may wait
// for an engine; the client's answer to a ping is not read meanwhile.
func (c *conn) carryOut(b *socket.Buffer) {
	c.sess.Occupied(true)
	c.h.workers.do(c, b)
	c.sess.Alive()
	c.sess.Occupied(false)
}

// Finish implements [boreas.Conn]. If a close frame was sent, the connection stays open
// for CloseTimeout at most, until the client has sent its own, and then for lingerTimeout,
// until it has closed the connection. Both start when the close frame has been written: closing
// the connection earlier would cut a write under way, and the client would not learn the reason.
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
		c.Close() // the reading goroutine sees it and does the rest
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

// closedByPeer notes the client's close frame. It returns true if our own has been sent before,
// so that the close handshake is complete.
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
