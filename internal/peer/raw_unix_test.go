//go:build unix

package peer

import (
	"net"
	"syscall"
	"testing"
)

// readRaw reads from the descriptor, as package socket does.
func readRaw(t *testing.T, c net.Conn) string {
	t.Helper()
	sc, ok := c.(syscall.Conn)
	if !ok {
		t.Fatalf("%T does not implement syscall.Conn", c)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		var err error
		n, err = syscall.Read(int(fd), b)
		return err != syscall.EAGAIN
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}
