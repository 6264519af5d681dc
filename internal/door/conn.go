package door

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/socket"
)

// A Conn is a connection that a [Listener] has accepted. For [http.Server] nothing has been read
// from it.
type Conn struct {
	net.Conn
	listener *Listener

	ctx      context.Context // from Options.Begin
	deadline time.Time       // of the first head; zero for none
	clock    bool            // the next read deadline is that of the first head

	// While the door has it.
	sock       socket.Conn
	prev, next *Conn // guarded by listener.mu
	late       bool  // the listener has ended during a slow check

	// For net/http.
	unread  *socket.Buffer
	read    int // bytes of unread that have been read
	refused *kept
}

// Begun returns the context that Options.Begin has returned for the connection. It is nil if the
// connection does not come from a [Listener].
func Begun(c net.Conn) context.Context {
	if c, ok := c.(*Conn); ok {
		return c.ctx
	}
	return nil
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if c.unread == nil {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread.Bytes()[c.read:])
	if c.read += n; c.read == len(c.unread.Bytes()) {
		c.unread.Release()
		c.unread = nil
	}
	return n, nil
}

// SetReadDeadline implements [net.Conn]. The first deadline, which is that of the first head, counts
// from the beginning of the connection, although net/http sets it later.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.clock && !t.IsZero() && !c.deadline.IsZero() && t.After(c.deadline) {
		t = c.deadline
	}
	c.clock = false
	return c.Conn.SetReadDeadline(t)
}

// NetConn returns the system's connection.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// SyscallConn implements [syscall.Conn].
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if inner, ok := c.Conn.(syscall.Conn); ok && c.unread == nil {
		return inner.SyscallConn()
	}
	return nil, errors.ErrUnsupported // the descriptor lacks the unread bytes
}

// CloseWrite closes the sending direction, if the connection can be half closed.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
