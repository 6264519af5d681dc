package socket

import (
	"time"

	"golang.org/x/sys/unix"
)

// SetPeerTimeout closes the connection if sent bytes are not acknowledged for d, or if the peer
// takes no bytes for d (TCP_USER_TIMEOUT, tcp(7)). The resolution is one millisecond; 0 means the
// system's default. It has no effect on sockets other than TCP.
func (c *Conn) SetPeerTimeout(d time.Duration) {
	if c.fd == 0 || d <= 0 {
		return
	}
	// An error can be ignored: the system gives up later by itself.
	_ = unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
