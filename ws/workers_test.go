package ws

import (
	"testing"
	"unsafe"
)

// Every idle connection has one: a byte more than 128 would cost each of them 16.
func TestConnIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 128 {
		t.Errorf("a conn has %d bytes, want at most 128", n)
	}
}
