//go:build unix && !linux

package socket

import "golang.org/x/sys/unix"

// sendNow makes one attempt to write p to a nonblocking socket.
func sendNow(fd uintptr, p []byte) (int, error) { return unix.Write(int(fd), p) }
