package boreastest

import "syscall"

const (
	// segment is the size of packets on a real network. On loopback packets are so
	// large that the system buffers megabytes for one connection, and no stall would
	// ever be felt.
	segment = 1460

	// windowBytes is what the system may hold back for a link before it reads.
	windowBytes = 8 << 10
)

// likeARealNetwork sets a socket up before it connects.
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
