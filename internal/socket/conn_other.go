//go:build !unix

package socket

import (
	"net"
	"time"
)

// Attach sets the connection.
func (c *Conn) Attach(nc net.Conn) { c.nc, c.out = nc, newAsyncWriter(nc) }

// Move sets the connection to that of from, whose Attach has been called and which nobody uses
// afterwards.
func (c *Conn) Move(from *Conn) { c.nc, c.out = from.nc, from.out }

// Wait waits for bytes from the client and returns them. The caller must release the Buffer. While
// Wait waits, it holds no Buffer.
func (c *Conn) Wait() (*Buffer, error) { return c.waitPlain() }

// TryWrite implements boreas.Conn.
func (c *Conn) TryWrite(p []byte) (int, error) { return c.out.TryWrite(p) }

// WaitWritable implements boreas.Conn.
func (c *Conn) WaitWritable(d time.Duration) error { return c.out.WaitWritable(d) }

// Close closes the connection after all written bytes are on their way.
func (c *Conn) Close() { c.out.Close() }

// CloseWrite closes the sending direction, after all written bytes are on their way. The
// connection can still be read. It returns false if the connection cannot be half closed.
func (c *Conn) CloseWrite() bool { return c.out.CloseWrite() }
