package faultproxy

import "syscall"

const (
	// segment is the packet size of a real network. Loopback packets are so large that the
	// system buffers megabytes per connection, and a sender would never notice a stall.
	segment = 1460

	// windowBytes limits how much the system buffers for a link before the link reads it.
	windowBytes = 8 << 10
)

// likeARealNetwork prepares a socket before it connects.
func likeARealNetwork(_, _ string, c syscall.RawConn) error {
	var err error
	if controlErr := c.Control(func(fd uintptr) {
		if err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment); err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, windowBytes)
		}
	}); controlErr != nil {
		return controlErr
	}
	return err
}
