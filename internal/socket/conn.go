package socket

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// ErrGone tells that the peer has closed or reset the connection.
var ErrGone = errors.New("the connection has ended")

// A Conn is one connection. Embed it: it is a part of the transport's own, and its
// methods are those of a way out of a session (boreas.Conn) but for Finish. Attach
// is called first. One goroutine at a time may write, one may read, and the others
// may be called by any.
type Conn struct {
	nc  net.Conn
	raw syscall.RawConn       // nc as a socket; nil where it is none, or of no use
	fd  uintptr               // of the socket, also of one below TLS; 0 where there is none
	out *asyncWriter          // how to write to nc where raw is nil
	try func(fd uintptr) bool // c.tryRead: kept, since making it allocates
	got *Buffer               // what try read, for the reading goroutine
}

// SetReadDeadline ends a [Conn.Wait] at that time, under way or yet to come. The zero
// time means never.
func (c *Conn) SetReadDeadline(t time.Time) { c.nc.SetReadDeadline(t) }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// AfterWrite calls f when the write under way has ended, and at once if there is none. A
// plain socket never has one: the system takes the bytes. F must not block.
func (c *Conn) AfterWrite(f func()) {
	if c.raw != nil {
		f()
		return
	}
	c.out.afterWrite(f)
}

// Drop closes the connection at once.
func (c *Conn) Drop() { c.nc.Close() }

// waitPlain waits for bytes without holding more than a few, and reads on with a
// buffer once some are there.
func (c *Conn) waitPlain() (*Buffer, error) {
	var first [1]byte
	n, err := c.nc.Read(first[:])
	if n == 0 && err == nil {
		return c.waitPlain()
	}
	if n == 0 {
		return nil, err
	}
	b := NewBuffer()
	b.bytes[0] = first[0]
	n, err = c.nc.Read(b.bytes[1:])
	if err != nil && n <= 0 {
		n = 0 // the next wait tells of the error
	}
	b.n = n + 1
	return b, nil
}

// HoldFor makes h count the bytes that the connection holds for its peer. It is called
// after Attach, before anything is written. A plain socket holds none.
func (c *Conn) HoldFor(h Holder) {
	if c.out != nil {
		c.out.holdFor(h)
	}
}
