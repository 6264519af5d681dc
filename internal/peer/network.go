package peer

import "net/netip"

// networkBits6 is the length of the IPv6 prefix that a provider gives to one customer.
const networkBits6 = 64

// Network returns the network that counts as one client: an IPv4 address alone, or the /64 of an
// IPv6 address, because a provider gives each customer at least a /64. An invalid address returns
// the zero Prefix.
func Network(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = networkBits6
	}
	network, _ := address.Prefix(bits) // fails for an invalid address only
	return network
}
