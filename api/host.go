package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/internal/fault"
)

// checkHost refuses a request to an API that is open to its own machine alone, and was
// found under a name from elsewhere. A web page can let its own name lead to 127.0.0.1
// once a browser has loaded it (DNS rebinding): to the browser page and API are of one
// origin then, so that only the name gives it away.
func (s *service) checkHost(r *http.Request) error {
	if !s.options.Loopback || isLocal(r.Host) || slices.ContainsFunc(s.options.Hosts, func(host string) bool { return sameHost(host, r.Host) }) {
		return nil
	}
	return fault.HostNotAllowed
}

// isLocal tells whether the header Host, with a port or without, names this machine in a
// way that no other can.
func isLocal(host string) bool {
	name := withoutPort(host)
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// sameHost tells whether the header Host is one of those that are allowed. One that is
// given without a port is meant with any.
func sameHost(allowed, host string) bool {
	return strings.EqualFold(allowed, host) || strings.EqualFold(allowed, withoutPort(host))
}

// withoutPort returns the name or address in a header Host; an IPv6 address without its
// brackets.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			return inner
		}
	}
	return host
}
