package socket

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendNow makes one attempt to write p to a socket. It uses send(2) because write(2) costs a little
// more and can raise SIGPIPE. It uses a raw system call because the call never waits: to announce
// each call to Go's scheduler would cost more than it gains.
func sendNow(fd uintptr, p []byte) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
