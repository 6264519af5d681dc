package boreastest

import "syscall"

const (
	// segment is the maximum segment size, as on a real network. On loopback segments are so large
	// that the kernel buffers megabytes per connection, and a stall would never block the sender.
	segment = 1460

	// windowBytes is the receive buffer of a link's socket.
	windowBytes = 8 << 10
)

// likeARealNetwork configures a socket before it connects.
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
