package socket

import (
	"time"

	"golang.org/x/sys/unix"
)

// SetPeerTimeout gives the connection up when what was sent has not been acknowledged
// for that long, or the peer has taken nothing (TCP_USER_TIMEOUT, tcp(7)). It is in
// steps of milliseconds; 0 leaves it to the system. Only sockets of TCP can do it.
func (c *Conn) SetPeerTimeout(d time.Duration) {
	if c.fd == 0 || d <= 0 {
		return
	}
	// What cannot be set is as it was: sooner or later the system gives up itself.
	_ = unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
