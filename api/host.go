package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// checkHost refuses a request under a foreign host name to an API that is open only to its own
// machine. After a browser has loaded a web page, the page's owner can let its name resolve to
// 127.0.0.1 (DNS rebinding). For the browser, the page and the API then have the same origin, and
// only the host name reveals the page.
func (s *service) checkHost(r *http.Request) error {
	if !s.options.Loopback || isLocal(r.Host) || slices.ContainsFunc(s.options.Hosts, func(host string) bool { return sameHost(host, r.Host) }) {
		return nil
	}
	return fault.HostNotAllowed
}

// isLocal reports whether the header Host, with or without a port, is a name that can only mean
// this machine.
func isLocal(host string) bool {
	name := withoutPort(host)
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// sameHost reports whether the header Host matches an allowed host. An allowed host without a port
// matches any port.
func sameHost(allowed, host string) bool {
	return strings.EqualFold(allowed, host) || strings.EqualFold(allowed, withoutPort(host))
}

// withoutPort returns the name or address in a header Host, an IPv6 address without its brackets.
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
