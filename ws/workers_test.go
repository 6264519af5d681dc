package ws

import (
	"testing"
	"unsafe"
)

// Every idle connection has one. One byte more than 128 would cost 16 bytes per connection.
func TestConnIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 128 {
		t.Errorf("a conn has %d bytes, want at most 128", n)
	}
}
