//go:build !unix

package ws

import (
	"net"
	"time"
)

// attach makes nc the connection.
func (c *conn) attach(nc net.Conn) { c.nc, c.out = nc, newRelay(nc) }

// wait waits for bytes from the client and reads them.
func (c *conn) wait() (b *buffer, n int, err error) { return c.waitPlain() }

// TryWrite implements [boreas.Conn].
func (c *conn) TryWrite(p []byte) (int, error) { return c.out.TryWrite(p) }

// WaitWritable implements [boreas.Conn].
func (c *conn) WaitWritable(d time.Duration) error { return c.out.WaitWritable(d) }

// close closes the connection, once what was written is on its way.
func (c *conn) close() { c.out.Close() }
