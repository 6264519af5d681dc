//go:build !unix

package socket

import (
	"crypto/tls"
	"net"
)

// nonblockingTLS is not used on this system: all TLS goes through an asyncWriter.
type nonblockingTLS struct{}

func newNonblockingTLS(nc net.Conn) net.Conn { return nc }

func (c *nonblockingTLS) tryWrite(*tls.Conn, []byte) (int, error) { panic("socket: no nonblockingTLS") }

func (c *nonblockingTLS) busy() <-chan struct{} { panic("socket: no nonblockingTLS") }

func (c *nonblockingTLS) wait(*tls.Conn) (*Buffer, error) { panic("socket: no nonblockingTLS") }

func (c *nonblockingTLS) holdFor(Holder) { panic("socket: no nonblockingTLS") }
