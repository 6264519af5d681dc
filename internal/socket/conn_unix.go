//go:build unix

package socket

import (
	"crypto/tls"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Attach sets the connection. If it is a socket, reads and writes are single attempts with system
// calls. So no goroutine is parked in a write, and no goroutine holds a buffer while it waits for
// bytes. Go's poller still does the waiting. The same holds for TLS on a connection that comes from
// a [Listener].
func (c *Conn) Attach(nc net.Conn) {
	c.nc = nc
	if raw, fd, ok := descriptor(nc); ok {
		c.raw, c.fd, c.try = raw, fd, c.tryRead
		return
	}
	c.out = newAsyncWriter(nc)
	if t, ok := nc.(*tls.Conn); ok {
		if under, ok := t.NetConn().(*nonblockingTLS); ok && under.hold() {
			c.fd = under.fd
			c.out.under, c.out.tls = under, t
		}
	}
}

// Move sets the connection to that of from, whose Attach has been called and which nobody uses
// afterwards. It costs less than another Attach.
func (c *Conn) Move(from *Conn) {
	c.nc, c.raw, c.fd, c.out = from.nc, from.raw, from.fd, from.out
	if c.raw != nil {
		c.try = c.tryRead
	}
}

// tryRead makes one attempt to read. raw.Read calls it at once, and again each time the socket may
// be readable, until it returns true.
func (c *Conn) tryRead(fd uintptr) bool {
	b := NewBuffer()
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(int(fd), b.bytes[:]) })
	if err == unix.EAGAIN {
		b.Release()
		return false
	}
	if err != nil || n <= 0 {
		b.Release()
		b = nil
	} else {
		b.n = n
	}
	c.got = b
	return true
}

// Wait waits for bytes from the client and returns them. The caller must release the Buffer. While
// Wait waits, it holds no Buffer. The error is [ErrGone] or an error of the connection.
func (c *Conn) Wait() (*Buffer, error) {
	if c.raw == nil {
		if c.out.under != nil {
			return c.out.under.wait(c.out.tls)
		}
		return c.waitPlain()
	}
	if err := c.raw.Read(c.try); err != nil {
		return nil, err
	}
	b := c.got
	c.got = nil
	if b == nil {
		return nil, ErrGone
	}
	return b, nil
}

// TryWrite implements boreas.Conn. It makes one attempt to write to the socket's descriptor,
// because net.Conn.Write takes locks that are not needed here and costs 5% of a delivery. The
// descriptor is still open: the connection is closed only after its session has ended, and after
// that the hub writes nothing.
func (c *Conn) TryWrite(p []byte) (int, error) {
	if c.raw == nil {
		return c.out.TryWrite(p)
	}
	n, err := ignoringEINTR(func() (int, error) { return sendNow(c.fd, p) })
	if err == unix.EAGAIN {
		return 0, nil
	}
	return max(n, 0), err
}

// WaitWritable implements boreas.Conn.
func (c *Conn) WaitWritable(d time.Duration) error {
	if c.raw == nil {
		return c.out.WaitWritable(d)
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	defer c.nc.SetWriteDeadline(time.Time{})
	waited := false
	return c.raw.Write(func(fd uintptr) bool {
		if waited {
			return true
		}
		waited = true
		// The poller reports only the change from unwritable to writable. If the change came before
		// this call, only the socket itself can report it.
		return writable(fd)
	})
}

// Close closes the connection after all written bytes are on their way.
func (c *Conn) Close() {
	if c.raw == nil {
		c.out.Close()
		return
	}
	c.nc.Close() // the kernel sends the bytes that it has already taken
}

// CloseWrite closes the sending direction, after all written bytes are on their way: with FIN,
// and over TLS with close_notify. The connection can still be read. It returns false if the
// connection cannot be half closed.
func (c *Conn) CloseWrite() bool {
	if c.raw == nil {
		return c.out.CloseWrite()
	}
	var err error
	failed := c.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) })
	return failed == nil && err == nil
}

func writable(fd uintptr) bool { return ready(fd, unix.POLLOUT) }

func ready(fd uintptr, events int16) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Poll(p, 0)
	return err != nil || n > 0 // after an error, the read or write reports it
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
