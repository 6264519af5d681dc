package sse

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/panics"
	"github.com/boreas-pubsub/boreas/v2/internal/socket"
)

// maxInput is the number of bytes that a client may send after its request. The server ignores
// them.
const maxInput = 64 << 10

var errInput = errors.New("the client sent data on an event stream")

// refusalTimeout bounds the time to write the response to a refused request.
const refusalTimeout = 5 * time.Second

// conn is a stream over HTTP/1.1. It takes over the connection from net/http, so the hub writes to
// it as to a WebSocket: all subscribers of a channel share the encoded events, and no goroutine
// waits to write. Its own goroutine waits until the client disconnects.
type conn struct {
	socket.Conn
	h      *handler
	sess   *boreas.Session
	header http.Header // of the response; nil once it has begun
	begun  atomic.Bool
}

// overSocket starts the stream on a connection that was taken over from net/http.
func (s *stream) overSocket(nc net.Conn, rw *bufio.ReadWriter, header http.Header) {
	c := &conn{h: s.h, sess: s.sess, header: header}
	c.Attach(nc)
	c.SetPeerTimeout(s.h.options.PeerTimeout)
	c.HoldFor(c)
	if err := s.start(context.Background(), c); err != nil {
		s.h.count.NotJoined.Add(1)
		nc.SetDeadline(time.Now().Add(refusalTimeout))
		newAnswer(header, err).writeTo(nc)
		nc.Close()
		s.sess.Done()
		return
	}
	go c.serve(rw.Reader.Buffered())
}

// Room implements [socket.Holder].
func (c *conn) Room() socket.Room { return c.h.hub.Held(boreas.HeldBatch, c.sess.Address(), "") }

// Tight implements [socket.Holder].
func (c *conn) Tight() bool { return c.h.hub.Tight() }

// begin implements [out].
func (c *conn) begin(s *stream, dst []byte) []byte {
	c.begun.Store(true)
	s.setHeader(c.header)
	dst = appendHead(dst, http.StatusOK, c.header)
	c.header = nil
	return dst
}

// TryWrite implements [boreas.Conn]. A client of server-sent events never answers pings. The only
// sign that it is alive is that it receives bytes.
func (c *conn) TryWrite(p []byte) (int, error) {
	if !c.begun.Load() {
		return len(p), nil // discarded: the request will be refused with a status instead
	}
	n, err := c.Conn.TryWrite(p)
	if n > 0 {
		c.sess.Alive()
	}
	return n, err
}

// Finish implements [boreas.Conn].
func (c *conn) Finish(reason error, said bool) {
	c.h.ended(c.sess, reason, said)
	switch { // the waiting goroutine notices it and cleans up
	case !c.begun.Load(): // there is no waiting goroutine yet
	case said:
		c.Close()
	default:
		c.Drop() // also during a write, because the client does not receive it
	}
}

// serve waits until the connection ends.
func (c *conn) serve(received int) {
	c.sess.Lost(c.waitRecovering(received))
	c.Drop()
	c.sess.Done()
}

// waitRecovering is like wait, for a goroutine without another recover.
func (c *conn) waitRecovering(received int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p := panics.Caught(v)
			c.h.panicked(c.sess, p)
			err = p
		}
	}()
	return c.wait(received)
}

// wait reads and ignores bytes from the client, to notice when it disconnects.
func (c *conn) wait(received int) error {
	for received <= maxInput {
		b, err := c.Wait()
		if err != nil {
			return err
		}
		received += len(b.Bytes())
		b.Release()
	}
	return errInput
}
