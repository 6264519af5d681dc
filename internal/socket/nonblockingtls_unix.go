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
	// maxRecord is what one record of TLS carries (RFC 8446, section 5.1).
	maxRecord = 16 << 10

	// maxLeft is how much may wait for a socket: the records of one write and, beside
	// them, what TLS answers by itself. Who asks for new keys again and again and
	// reads none of the answers gets no further.
	maxLeft = 64 << 10
)

var errLeft = errors.New("the peer makes TLS answer and does not read the answers")

// nonblockingTLS is the connection below a tls.Conn. At first it is no more than that: the
// handshakes of TLS and HTTP wait for it as they would. Once it is held, nothing waits:
// a read gives errWait where there is nothing to read, and of a write the socket gets
// what it takes while a goroutine, which lives as long as there is something left,
// brings it the rest. A tls.Conn lives on after such a read, as after one whose
// deadline has passed. After such a write it would not: half a record is the end of
// everything. So a nonblockingTLS takes all that TLS gives it.
type nonblockingTLS struct {
	net.Conn

	held    bool            // set while nothing reads or writes
	raw     syscall.RawConn // of Conn, once it is held
	fd      uintptr         // likewise
	drained bool            // the socket is empty until more bytes arrive; owned by the reading goroutine

	mu       sync.Mutex
	room     room          // for left and flying
	left     []byte        // bytes that neither the socket nor the goroutine has taken yet
	flying   int           // bytes that the goroutine has taken
	flushing chan struct{} // closed when nothing is left; nil if nothing is
	err      error         // of a write, or that it is closed
}

// newNonblockingTLS returns nc itself if it has no socket. It does not get the socket from nc, because
// the goroutine that accepts connections calls newNonblockingTLS, and a connection behind a proxy
// returns its socket only after the proxy's header.
func newNonblockingTLS(nc net.Conn) net.Conn {
	if _, ok := nc.(syscall.Conn); !ok {
		return nc
	}
	return &nonblockingTLS{Conn: nc}
}

// hold prepares the nonblockingTLS for reads and writes that never wait. It returns false, and changes
// nothing, if the connection has no socket.
func (c *nonblockingTLS) hold() bool {
	raw, fd, ok := descriptor(c.Conn)
	if ok {
		c.raw, c.fd, c.held = raw, fd, true
	}
	return ok
}

// NetConn returns the underlying connection. Use it to get information about the connection, not
// for reading or writing.
func (c *nonblockingTLS) NetConn() net.Conn { return c.Conn }

// SyscallConn is missing on purpose: a nonblockingTLS is no socket that could be written past
// what it still holds.

// errWait says that there is nothing to read now.
var errWait net.Error = wait{}

type wait struct{}

func (wait) Error() string   { return "nothing to read yet" }
func (wait) Timeout() bool   { return true }
func (wait) Temporary() bool { return true } // what crypto/tls asks for

// Read implements [net.Conn].
func (c *nonblockingTLS) Read(p []byte) (n int, err error) {
	if !c.held {
		return c.Conn.Read(p)
	}
	// Within raw.Read the descriptor is open, whoever closes the connection now.
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

// flush writes until nothing is left.
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

// Close implements [net.Conn]. After it the descriptor may be another connection's.
func (c *nonblockingTLS) Close() error {
	c.mu.Lock()
	if c.err == nil {
		c.err = net.ErrClosed
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

func (c *nonblockingTLS) holdFor(h Holder) { c.room.holder = h }

// tryWrite writes p to t, which is over c, a record at a time, until the socket is full. This
// leaves at most one record for each slow reader, and a small record if many bytes are held for
// others.
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

// busy is closed when nothing is left for the socket; nil if nothing is.
func (c *nonblockingTLS) busy() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushing
}

// wait is Conn.Wait for t, which is over c. What is in the socket need not be a whole
// record, and what is not in the socket may have been read by TLS before: so TLS is
// asked first.
func (c *nonblockingTLS) wait(t *tls.Conn) (*Buffer, error) {
	for {
		if c.drained {
			if err := c.raw.Read(readable); err != nil {
				return nil, err
			}
		}
		b := NewBuffer()
		// On a goroutine of its own: crypto/tls takes some KiB of stack, which the waiting goroutine
		// would keep.
		done := make(chan error)
		go func() { done <- guarded(func() error { return c.fill(t, b) }) }()
		if err := <-done; b.n == 0 {
			b.Release()
			if err != nil {
				return nil, err
			}
			continue
		}
		return b, nil // the next wait tells of the error
	}
}

// fill reads until the buffer is full or there is nothing to read now, and leaves TLS
// without buffers then.
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

// descriptor returns the socket that nc is.
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
