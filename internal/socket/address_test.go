package socket

import (
	"net"
	"testing"
)

func TestAddressText(t *testing.T) {
	for _, a := range []net.Addr{
		&net.TCPAddr{},
		&net.TCPAddr{Port: 80},
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}, // of 16 bytes
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 65535},
		&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1},
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "eth0"},
		&net.UnixAddr{Name: "/run/socket", Net: "unix"},
	} {
		if got := AddressText(a); got != a.String() {
			t.Errorf("%q, want %q", got, a.String())
		}
	}
	a := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
	if n := testing.AllocsPerRun(100, func() { AddressText(a) }); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
