//go:build unix

package socket

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxRecord is the largest payload of a TLS record (RFC 8446, section 5.1).
	maxRecord = 16 << 10

	// maxLeft is how many bytes may wait for a socket: the records of one write, and the answers
	// that crypto/tls sends on its own. It stops a peer that requests new keys again and again and
	// does not read the answers.
	maxLeft = 64 << 10
)

var errLeft = errors.New("the peer requests answers of TLS and does not read them")

// nonblockingTLS is the connection below a tls.Conn. Until hold is called, its reads and writes
// block, as the handshakes of TLS and HTTP expect. After that they never block. A read returns
// errWait if there is nothing to read. A write sends as much as the socket takes. A goroutine,
// which lives while bytes are left, sends the rest.
//
// A tls.Conn remains usable after errWait, as after an exceeded deadline. It does not remain usable
// after a partial write, because half a record breaks the stream. So nonblockingTLS accepts all
// bytes that tls.Conn writes.
type nonblockingTLS struct {
	net.Conn

	// Set by hold, while no goroutine reads or writes. Immutable after that.
	held bool
	raw  syscall.RawConn // of Conn
	fd   uintptr         // of Conn

	// drained means that the socket was found empty. It is owned by the reading goroutine.
	drained bool

	mu sync.Mutex

	// Guarded by mu. The holder of room is set before the first write and immutable after that.
	room     room          // counts left and flying
	left     []byte        // bytes that neither the socket nor the goroutine has taken yet
	flying   int           // how many bytes the goroutine is writing
	flushing chan struct{} // closed when no bytes are left; nil if none are
	err      error         // of a write, or net.ErrClosed
}

// newNonblockingTLS returns nc itself if it has no socket. It does not get the socket from nc,
// because the goroutine that accepts connections calls newNonblockingTLS, and a connection from a
// proxy returns its socket only after the proxy's header has arrived.
func newNonblockingTLS(nc net.Conn) net.Conn {
	if _, ok := nc.(syscall.Conn); !ok {
		return nc
	}
	return &nonblockingTLS{Conn: nc}
}

// hold makes all later reads and writes nonblocking. It returns false, and changes nothing, if the
// connection has no socket.
func (c *nonblockingTLS) hold() bool {
	raw, fd, ok := descriptor(c.Conn)
	if ok {
		c.raw, c.fd, c.held = raw, fd, true
	}
	return ok
}

// NetConn returns the underlying connection. Use it only to get information about the connection,
// not for reading or writing.
func (c *nonblockingTLS) NetConn() net.Conn { return c.Conn }

// SyscallConn is missing on purpose: a caller could write to the socket before the bytes that
// nonblockingTLS still holds.

// errWait means that there is nothing to read now.
var errWait net.Error = wait{}

type wait struct{}

func (wait) Error() string   { return "nothing to read yet" }
func (wait) Timeout() bool   { return true }
func (wait) Temporary() bool { return true } // required by crypto/tls

// Read implements [net.Conn].
func (c *nonblockingTLS) Read(p []byte) (n int, err error) {
	if !c.held {
		return c.Conn.Read(p)
	}
	// During raw.Read the descriptor stays open, even if another goroutine closes the connection.
	failed := c.raw.Read(func(fd uintptr) bool {
		n, err = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), p) })
		return true
	})
	switch {
	case failed != nil:
		return 0, failed
	case err == unix.EAGAIN:
		return 0, errWait
	case err != nil:
		return 0, err
	case n <= 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements [net.Conn].
func (c *nonblockingTLS) Write(p []byte) (int, error) {
	if !c.held {
		return c.Conn.Write(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	n := 0
	if c.flushing == nil {
		var err error
		n, err = ignoringEINTR(func() (int, error) { return sendNow(c.fd, p) })
		if n = max(n, 0); err != nil && err != unix.EAGAIN {
			c.err = err
			return n, err
		}
		if n == len(p) {
			return n, nil
		}
	}
	if len(c.left)+len(p)-n > maxLeft {
		c.err = errLeft
		return n, errLeft
	}
	c.left = append(c.left, p[n:]...)
	c.room.keep(c.flying + cap(c.left))
	if c.flushing == nil {
		c.flushing = make(chan struct{})
		go c.flush()
	}
	return len(p), nil
}

// flush writes until no bytes are left.
func (c *nonblockingTLS) flush() {
	for {
		c.mu.Lock()
		p := c.left
		c.left, c.flying = nil, cap(p)
		if len(p) == 0 || c.err != nil {
			c.flying = 0
			c.room.keep(0)
			close(c.flushing)
			c.flushing = nil
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.Conn.SetWriteDeadline(time.Now().Add(asyncWriteTimeout))
		if err := guarded(func() error { _, err := c.Conn.Write(p); return err }); err != nil {
			c.mu.Lock()
			if c.err == nil {
				c.err = err
			}
			c.mu.Unlock()
		}
	}
}

// Close implements [net.Conn]. Afterwards the descriptor may belong to another connection.
func (c *nonblockingTLS) Close() error {
	c.mu.Lock()
	if c.err == nil {
		c.err = net.ErrClosed
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

func (c *nonblockingTLS) holdFor(h Holder) { c.room.holder = h }

// tryWrite writes p to t, which is over c, one record at a time, until the socket is full. So a
// slow reader costs at most one record of memory, and only a small record if all connections
// together hold many bytes.
func (c *nonblockingTLS) tryWrite(t *tls.Conn, p []byte) (taken int, err error) {
	size := maxRecord
	if len(p) > lessRecord && c.room.holder != nil && c.room.holder.Tight() {
		size = lessRecord
	}
	for len(p) > taken && c.busy() == nil && err == nil {
		var n int
		n, err = t.Write(p[taken:min(len(p), taken+size)])
		taken += n
	}
	return taken, err
}

// busy returns a channel that is closed when no bytes are left for the socket, or nil if none are.
func (c *nonblockingTLS) busy() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushing
}

// wait implements Conn.Wait for t, which is over c. It tries t.Read before it waits for the socket.
// The socket may hold only a part of a record, and t may already have read the next bytes from the
// socket.
func (c *nonblockingTLS) wait(t *tls.Conn) (*Buffer, error) {
	for {
		if c.drained {
			if err := c.raw.Read(readable); err != nil {
				return nil, err
			}
		}
		b := NewBuffer()
		// crypto/tls needs some KiB of stack. On this goroutine they would stay allocated while it
		// waits, so another goroutine calls it.
		done := make(chan error)
		go func() { done <- guarded(func() error { return c.fill(t, b) }) }()
		if err := <-done; b.n == 0 {
			b.Release()
			if err != nil {
				return nil, err
			}
			continue
		}
		return b, nil // the next wait returns the error
	}
}

// fill reads until the buffer is full or there is nothing to read. In the latter case it frees the
// buffers of t.
func (c *nonblockingTLS) fill(t *tls.Conn, b *Buffer) error {
	c.drained = false
	for b.n < len(b.bytes) {
		n, err := t.Read(b.bytes[b.n:])
		b.n += n
		if err != nil {
			release(t)
		}
		if err == errWait {
			c.drained = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readable(fd uintptr) bool { return ready(fd, unix.POLLIN) }

// descriptor returns the socket of nc and its descriptor.
func descriptor(nc net.Conn) (raw syscall.RawConn, fd uintptr, ok bool) {
	s, ok := nc.(syscall.Conn)
	if !ok {
		return nil, 0, false
	}
	raw, err := s.SyscallConn()
	if err == nil {
		err = raw.Control(func(d uintptr) { fd = d })
	}
	return raw, fd, err == nil
}
