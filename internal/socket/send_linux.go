package socket

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendNow makes one attempt to write p to a socket. It is send(2) and not write(2),
// which costs a little more on its way to the same place and can raise SIGPIPE. It
// does not tell Go's scheduler that it is in a system call: it never waits, and
// telling costs more than it brings when there is one for each delivery.
func sendNow(fd uintptr, p []byte) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
