//go:build !unix

package socket

import (
	"crypto/tls"
	"net"
)

// carrier is nothing here: TLS goes through a relay.
type carrier struct{}

func newCarrier(nc net.Conn) net.Conn { return nc }

func (c *carrier) tryWrite(*tls.Conn, []byte) (int, error) { panic("socket: no carrier") }
func (c *carrier) busy() <-chan struct{}                   { panic("socket: no carrier") }
func (c *carrier) wait(*tls.Conn) (*Buffer, error)         { panic("socket: no carrier") }
func (c *carrier) holdFor(Holder)                          { panic("socket: no carrier") }
