package peer

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of trusted proxies.
type Proxies []netip.Prefix

// Trust reports whether the address belongs to a trusted proxy.
func (p Proxies) Trust(address netip.Addr) bool {
	address = address.Unmap()
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// Client returns the address of the client that sent the request: the direct peer, or the client
// for which trusted proxies forwarded the request. Each proxy appends the address of the peer from
// which it received the request. Client therefore reads the list from the end and stops at the
// first address that is not a trusted proxy: the client itself may have made up the entries before
// it. The port is 0 if it is unknown. If the list is malformed, Client returns the direct peer.
func (p Proxies) Client(r *http.Request) netip.AddrPort {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	if len(p) == 0 || !p.Trust(peer.Addr()) {
		return peer
	}
	client := peer
	lines := r.Header["X-Forwarded-For"]
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			var entry string
			i := strings.LastIndexByte(line, ',')
			entry, more = line[i+1:], i >= 0
			line = line[:max(i, 0)]
			hop, ok := parse(entry)
			if !ok {
				return peer
			}
			client = hop
			if !p.Trust(hop.Addr()) {
				return client
			}
		}
	}
	return client // all are trusted: the leftmost one
}

// parse parses one entry of the list: an address with or without a port, IPv6 with or without
// brackets.
func parse(entry string) (netip.AddrPort, bool) {
	entry = strings.Trim(entry, " \t")
	address, err := netip.ParseAddr(entry)
	port := uint16(0)
	if err != nil {
		if inner, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(inner, "]") {
			address, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
			if !address.Is6() {
				return netip.AddrPort{}, false
			}
		} else {
			var both netip.AddrPort
			both, err = netip.ParseAddrPort(entry)
			address, port = both.Addr(), both.Port()
		}
	}
	if err != nil || address.Zone() != "" || address.IsUnspecified() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(address.Unmap(), port), true
}
