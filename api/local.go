package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// checkLocal refuses a request that may come from another machine, to an API without keys. With
// Insecure, which opens the API to everybody on purpose, it checks only the host name.
func (s *service) checkLocal(r *http.Request) error {
	if s.options.Loopback && !s.options.Insecure {
		if name := forwardedBy(r.Header); name != "" {
			return fault.InvalidKey.With(fmt.Sprintf("The request came through a proxy: it has the header %s. "+
				"It may come from another machine, and without keys the API accepts requests only from this machine. "+
				"Make a key with `boreas key new` and send it as `Authorization: Bearer KEY`.", name))
		}
	}
	return s.checkHost(r)
}

// forwardedBy returns the name of a header that only a proxy adds, or "" if there is none. The
// value does not matter, because even a trusted proxy sends requests of other machines. It does not
// allocate, because it is called for each publish to an open API.
func forwardedBy(h http.Header) string {
	for name := range h {
		// The first case covers Forwarded, X-Forwarded-For, X-Original-Forwarded-For and similar
		// names, also with underscores. Only the first letter can be a capital.
		if strings.Contains(name, "orwarded") || proxyHeaders[name] {
			return name
		}
	}
	return ""
}

// proxyHeaders are the other headers that proxies, tunnels and content delivery networks add to
// a request that they forward, in the form of [http.CanonicalHeaderKey].
var proxyHeaders = map[string]bool{
	"Via": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true, "X-Proxyuser-Ip": true,
	"X-Original-Host": true, "X-Original-Url": true, "X-Envoy-External-Address": true, "X-Azure-Clientip": true,
	"True-Client-Ip": true, "Cf-Connecting-Ip": true, "Cf-Ray": true, "Cdn-Loop": true,
	"Fastly-Client-Ip": true, "Fly-Client-Ip": true, "X-Appengine-User-Ip": true,
	"Client-Ip": true, "Proxy-Client-Ip": true, "Wl-Proxy-Client-Ip": true, "X-Remote-Ip": true, "X-Remote-Addr": true,
	"X-Originating-Ip": true, "X-Original-For": true,
}
