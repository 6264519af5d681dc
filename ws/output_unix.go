//go:build unix

package ws

import (
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attach makes nc the connection. A socket is read and written with system calls
// of our own, each a single attempt: so no goroutine is parked in a write, and none
// holds a buffer while it waits for bytes. Go's poller still does the waiting.
func (c *conn) attach(nc net.Conn) {
	c.nc = nc
	if tcp, ok := nc.(syscall.Conn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			c.raw, c.out, c.try = raw, socket{nc, raw}, c.tryRead
			return
		}
	}
	c.out = newRelay(nc)
}

// tryRead makes one attempt to read. It is called by raw.Read, first at once and
// then whenever there may be something, until it returns true.
func (c *conn) tryRead(fd uintptr) bool {
	b := getBuffer()
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(int(fd), b.bytes[:]) })
	if err == unix.EAGAIN {
		putBuffer(b)
		return false
	}
	if err != nil || n <= 0 {
		putBuffer(b)
		b, n = nil, 0
	}
	c.got, c.gotN = b, n
	return true
}

// wait waits for bytes from the client and reads them.
func (c *conn) wait() (b *buffer, n int, err error) {
	if c.raw == nil {
		return c.waitPlain()
	}
	if err := c.raw.Read(c.try); err != nil {
		return nil, 0, err
	}
	b, n, c.got = c.got, c.gotN, nil
	if b == nil {
		return nil, 0, errGone
	}
	return b, n, nil
}

// socket writes to a socket with single attempts.
type socket struct {
	nc  net.Conn
	raw syscall.RawConn
}

// attempt is one attempt to write, kept in a pool because what raw.Write is given
// escapes to the heap.
type attempt struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.try = func(fd uintptr) bool {
		a.n, a.err = ignoringEINTR(func() (int, error) { return sendNow(fd, a.p) })
		return true // whatever it was: never wait
	}
	return a
}}

// TryWrite makes one attempt to write p.
func (s socket) TryWrite(p []byte) (int, error) {
	a := attempts.Get().(*attempt)
	a.p = p
	err := s.raw.Write(a.try)
	n := a.n
	if err == nil {
		err = a.err
	}
	a.p, a.n, a.err = nil, 0, nil
	attempts.Put(a)
	if err == unix.EAGAIN {
		return 0, nil
	}
	return max(n, 0), err
}

// Close closes the connection; the kernel sends what was written.
func (s socket) Close() { s.nc.Close() }

// WaitWritable waits until the socket takes bytes.
func (s socket) WaitWritable(d time.Duration) error {
	if err := s.nc.SetWriteDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	defer s.nc.SetWriteDeadline(time.Time{})
	waited := false
	return s.raw.Write(func(fd uintptr) bool {
		if waited {
			return true
		}
		waited = true
		// The poller tells of the change from unwritable to writable. If that
		// came before this call began to listen, only the socket itself knows.
		return writable(fd)
	})
}

func writable(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, 0)
	return err != nil || n > 0 // on an error, let the write tell
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
