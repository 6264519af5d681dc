package peer

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A Listener accepts connections of which those from trusted proxies begin with a
// header of the PROXY protocol, version 1 or 2. All others are as they are.
type Listener struct {
	net.Listener

	// Proxies are those who send the header, and must: what comes from them without
	// one is closed.
	Proxies Proxies

	// Timeout is how long the header may take.
	Timeout time.Duration

	// Refused, if not nil, is told why a connection was closed for its header.
	Refused func(proxy netip.Addr, err error)
}

// Accept implements [net.Listener]. It does not wait for the header: who needs to know
// something of the connection does.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || !l.Proxies.Trust(Direct(c)) {
		return c, err
	}
	return &conn{Conn: c, listener: l}, nil
}

// Direct returns the address of the connection's direct peer, which may be a proxy. It never
// waits.
func Direct(c net.Conn) netip.Addr {
	if tcp, ok := Innermost(c).RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Innermost returns the innermost connection that NetConn leads to, which is the socket. None of
// its methods waits for a header or for TLS.
func Innermost(c net.Conn) net.Conn {
	for {
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = inner.NetConn()
	}
}

// conn is a connection from a proxy. The header is read when the first wants to know what
// is behind it, exactly to its end: the bytes after it can be read from the descriptor
// as if there had been none. Until then the read deadline is the header's.
type conn struct {
	net.Conn
	listener *Listener
	once     sync.Once
	client   net.Addr // the proxy's own address, if it speaks for itself or was refused
}

// open reads the header. A connection without a valid one is closed, so that whatever is
// tried with it next fails.
func (c *conn) open() {
	c.once.Do(func() {
		c.client = c.Conn.RemoteAddr()
		c.Conn.SetReadDeadline(time.Now().Add(c.listener.Timeout))
		client, err := readHeader(c.Conn)
		if err != nil {
			c.Conn.Close()
			if c.listener.Refused != nil {
				c.listener.Refused(Direct(c), err)
			}
			return
		}
		c.Conn.SetReadDeadline(time.Time{})
		if client.IsValid() {
			c.client = net.TCPAddrFromAddrPort(client)
		}
	})
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	c.open()
	return c.Conn.Read(p)
}

// RemoteAddr returns the client's address. It waits for the header.
func (c *conn) RemoteAddr() net.Addr {
	c.open()
	return c.client
}

// SyscallConn implements [syscall.Conn] for who reads and writes the descriptor itself.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	c.open()
	if inner, ok := c.Conn.(syscall.Conn); ok {
		return inner.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// NetConn returns the connection to the proxy.
func (c *conn) NetConn() net.Conn { return c.Conn }
