package socket

import (
	"net"
	"net/netip"
)

// AddressText returns the text of an address. It is equal to a.String(), but needs less memory for
// an address of TCP.
func AddressText(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || len(tcp.IP) == 0 {
		return a.String()
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()
}
