package peer

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A Listener accepts connections. A connection from a trusted proxy must begin with a header of the
// PROXY protocol, version 1 or 2. Other connections are returned unchanged.
type Listener struct {
	net.Listener

	// Proxies are the proxies that must send the header. A connection from one of them without the
	// header is closed.
	Proxies Proxies

	// Timeout is the time in which the whole header must arrive.
	Timeout time.Duration

	// Refused, if not nil, is called with the reason when a bad header closes a connection.
	Refused func(proxy netip.Addr, err error)
}

// Accept implements [net.Listener]. It does not wait for the header. The first call on the
// connection that needs the header waits for it.
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

// conn is a connection from a proxy. The first method that needs the client's address or bytes
// reads the header. It reads exactly the header, so the bytes after it can be read from the
// descriptor. While the header is read, the read deadline is the header's timeout.
type conn struct {
	net.Conn
	listener *Listener

	once sync.Once

	// client is set by open and immutable after that. It is the proxy's own address if the header is
	// invalid or has no client address.
	client net.Addr
}

// open reads the header once. If the header is not valid, open closes the connection, so that the
// next operation fails.
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

// SyscallConn implements [syscall.Conn], for callers that read and write the descriptor themselves.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	c.open()
	if inner, ok := c.Conn.(syscall.Conn); ok {
		return inner.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// NetConn returns the connection to the proxy.
func (c *conn) NetConn() net.Conn { return c.Conn }
