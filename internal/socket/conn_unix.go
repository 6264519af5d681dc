//go:build unix

package socket

import (
	"crypto/tls"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Attach makes nc the connection. A socket is read and written with system calls
// of our own, each a single attempt: so no goroutine is parked in a write, and none
// holds a buffer while it waits for bytes. Go's poller still does the waiting. With TLS
// it is the same where the connection came from a [Listener].
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

// tryRead makes one attempt to read. It is called by raw.Read, first at once and
// then whenever there may be something, until it returns true.
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

// Wait waits for bytes from the client and returns them, to be released by the
// caller. Until there are some it holds no buffer. Errors: [ErrGone] and those of
// the connection.
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

// TryWrite implements boreas.Conn. To a socket it makes one attempt, straight to
// the descriptor: net.Conn's own way there costs a twentieth of a delivery, for locks
// that are not needed. The descriptor is open: it is closed only once the session has
// finished, and the hub writes nothing from then on.
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
		// The poller tells of the change from unwritable to writable. If that
		// came before this call began to listen, only the socket itself knows.
		return writable(fd)
	})
}

// Close closes the connection, once what was written is on its way.
func (c *Conn) Close() {
	if c.raw == nil {
		c.out.Close()
		return
	}
	c.nc.Close() // the kernel sends what it has taken
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
	return err != nil || n > 0 // on an error, let the write or read tell
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
