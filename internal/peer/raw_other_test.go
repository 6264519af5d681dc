//go:build !unix

package peer

import (
	"net"
	"testing"
)

// readRaw reads with net.Conn, because this system has no read(2).
func readRaw(t *testing.T, c net.Conn) string {
	t.Helper()
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}
