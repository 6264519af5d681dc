package socket

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// ErrGone means that the peer has closed or reset the connection.
var ErrGone = errors.New("the connection has ended")

// A Conn is a client's connection. Transports embed it. It implements boreas.Conn except for
// Finish. Call Attach first. One goroutine may read and one may write. The other methods are safe
// for concurrent use.
type Conn struct {
	// Immutable after Attach.
	nc  net.Conn
	raw syscall.RawConn       // nc as a socket; nil if writes go through out
	fd  uintptr               // of the socket, also if it is below TLS; 0 if there is none
	out *asyncWriter          // writes to nc if raw is nil
	try func(fd uintptr) bool // the method value c.tryRead, kept because making it allocates

	// got is the result of try. It is owned by the reading goroutine.
	got *Buffer
}

// NetConn returns the connection that Attach got.
func (c *Conn) NetConn() net.Conn { return c.nc }

// SetReadDeadline sets the time at which the current [Conn.Wait], and each later one, fails. The
// zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) { c.nc.SetReadDeadline(t) }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// AfterWrite calls f when the write under way ends, or at once if there is none. A plain socket
// never has one, because the system takes the bytes. f must not block.
func (c *Conn) AfterWrite(f func()) {
	if c.raw != nil {
		f()
		return
	}
	c.out.afterWrite(f)
}

// Drop closes the connection at once, without waiting for a write under way.
func (c *Conn) Drop() { c.nc.Close() }

// waitPlain waits for the first byte without holding a Buffer, and then reads more into one.
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
		n = 0 // the next Wait returns the error
	}
	b.n = n + 1
	return b, nil
}

// HoldFor makes h count the bytes that the connection holds for its peer. Call it after Attach and
// before the first write. A plain socket holds no bytes.
func (c *Conn) HoldFor(h Holder) {
	if c.out != nil {
		c.out.holdFor(h)
	}
}
