package peer

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of proxies that are believed.
type Proxies []netip.Prefix

// Trust tells whether the address is that of a proxy that is believed.
func (p Proxies) Trust(address netip.Addr) bool {
	address = address.Unmap()
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// Client returns who sent the request: the peer itself, or the client that proxies say
// that they speak for. Each proxy appends whom it got the request from, so the list is
// read from its end, and only as far as trusted proxies wrote it: what stands left of
// the first address that is not trusted came from there, and can be made up. The port is
// 0 if it is not known. A list that cannot be read is worth nothing: then it is the peer.
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
	return client // all are trusted: the first of them
}

// parse reads an entry of the list, as proxies write it: with or without a port, IPv6 with or
// without brackets.
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
