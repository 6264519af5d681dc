//go:build !unix

package ws

import "net"

// attach makes nc the connection.
func (c *conn) attach(nc net.Conn) { c.nc, c.out = nc, newRelay(nc) }

// wait waits for bytes from the client and reads them.
func (c *conn) wait() (b *buffer, n int, err error) { return c.waitPlain() }
