package sse

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/internal/panics"
	"github.com/boreas-pubsub/boreas/internal/socket"
)

// maxChatter is how many bytes a client may send after its request. It has nothing
// to say.
const maxChatter = 64 << 10

var errChatter = errors.New("the client sent data on an event stream")

// refusalTimeout is how long the answer to a refused request may take on its way.
const refusalTimeout = 5 * time.Second

// conn is a stream that has its connection to itself. Its own goroutine waits for the
// peer to go; the hub writes.
type conn struct {
	socket.Conn
	h      *handler
	sess   *boreas.Session
	header http.Header // of the response, until it has begun
	begun  atomic.Bool
}

// overSocket makes the request a stream over a connection taken over from net/http.
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
func (c *conn) begin(dst []byte) []byte {
	c.begun.Store(true)
	setHeader(c.header)
	dst = appendHead(dst, http.StatusOK, c.header)
	c.header = nil
	return dst
}

// TryWrite implements [boreas.Conn]. A peer of server-sent events never answers, so
// that it takes what it is sent is all that tells of its life.
func (c *conn) TryWrite(p []byte) (int, error) {
	if !c.begun.Load() {
		return len(p), nil // not said to anybody: who ends now is refused
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
	switch { // the waiting goroutine sees it and does the rest
	case !c.begun.Load(): // there is none yet
	case said:
		c.Close()
	default:
		c.Drop() // also while a write is under way: nobody takes it
	}
}

// serve waits until the connection ends.
func (c *conn) serve(chatter int) {
	c.sess.Lost(c.waitGuarded(chatter))
	c.Drop()
	c.sess.Done()
}

// waitGuarded is like wait, for a goroutine without another recover.
func (c *conn) waitGuarded(chatter int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p := panics.Caught(v)
			c.h.panicked(c.sess, p)
			err = p
		}
	}()
	return c.wait(chatter)
}

// wait reads what a client has no business to send, so that it is seen when it goes.
func (c *conn) wait(chatter int) error {
	for chatter <= maxChatter {
		b, err := c.Wait()
		if err != nil {
			return err
		}
		chatter += len(b.Bytes())
		b.Release()
	}
	return errChatter
}
