package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/peer"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// newLimits returns the limits for one client from the configuration. The hub limits the number of
// sessions (boreas.Options.MaxUserSessions and others).
func (s *Server) newLimits(cfg config.Config) *limit.Limits {
	o := limit.Options{
		Exempt: cfg.Unlimited(),
		Refused: func(r limit.Refusal) {
			s.log.Warn("a client exceeds a limit", "option", r.Option, "client", r.Client, "refused", r.Refused)
		},
	}
	o.Address, o.User, o.Key = boundsOf(cfg)
	return limit.New(o)
}

// boundsOf returns the limits of one client.
func boundsOf(cfg config.Config) (address, user, key limit.Bounds) {
	address = limit.Bounds{
		Accepts: cfg.AddressAccepts, Requests: cfg.AddressRequests,
		Bytes: cfg.AddressBytes, Failures: cfg.AddressFailures,
	}
	user = limit.Bounds{Requests: cfg.UserRequests, Publishes: cfg.UserPublishes, Bytes: cfg.UserBytes}
	key = limit.Bounds{Requests: cfg.KeyRequests, Publishes: cfg.KeyPublishes, Bytes: cfg.KeyBytes}
	return address, user, key
}

// newUntrusted returns a function that logs once that a peer's X-Forwarded-For is not trusted. If
// the peer is the operator's own proxy, all its users count as one address, and some are refused
// because of others.
func (s *Server) newUntrusted() func(peer string) {
	var once sync.Once
	return func(peer string) {
		once.Do(func() {
			s.log.Warn("X-Forwarded-For is ignored: if this is your proxy, name it in trusted_proxies, because otherwise all its clients count as one address; logged only once",
				"peer", peer)
		})
	}
}

// identify replaces the request's RemoteAddr by the client's address for the later handlers, and
// returns the address.
func identify(proxies peer.Proxies, r *http.Request) netip.Addr {
	client := proxies.Client(r)
	var text [64]byte // so that the address of a client without a proxy needs no memory
	if b := client.AppendTo(text[:0]); client.IsValid() && string(b) != r.RemoteAddr {
		r.RemoteAddr = string(b)
	}
	return client.Addr()
}

// limited limits each address's requests to the API.
func limited(limits *limit.Limits, proxies peer.Proxies, maxBody int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := refusedConnection(r); err != nil {
			w.Header().Set("Connection", "close")
			if !watches(r) {
				refuseAPI(w, r, err)
				return
			}
		}
		if err := limits.Address(identify(proxies, r)).HTTP(r, maxBody); err != nil {
			refuseAPI(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// watches reports whether the request is a monitoring request. These are answered even while the
// API has its maximum number of connections, because they are most needed in that situation.
func watches(r *http.Request) bool {
	return r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.URL.Path == "/metrics"
}

// refuseAPI answers a request to the API with an error. The path determines the form of the error:
// the classic form or that of protocol 2.
func refuseAPI(w http.ResponseWriter, r *http.Request, err error) {
	fault.SetRetryAfter(w.Header(), err)
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		writeFault(w, err)
		return
	}
	text, _ := json.Marshal(fault.Message(err)) // cannot fail for a string
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(fault.Of(err).Status)
	io.WriteString(w, `{"errors": [`+string(text)+`]}`)
}

// limitMetrics reports to Prometheus how often a client exceeded a limit.
type limitMetrics struct {
	limits     *limit.Limits
	handshakes *limit.Meter
}

var limitedTotal = prometheus.NewDesc("boreas_limited_total",
	"Refusals because one client exceeded a limit, by scope (address, user or key) and limit. The two together are the option's name. Scope address with limit handshakes: connections closed because their address had too many that were not sessions.",
	[]string{"scope", "limit"}, nil)

// Describe implements prometheus.Collector.
func (limitMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- limitedTotal }

// Collect implements prometheus.Collector.
func (m limitMetrics) Collect(ch chan<- prometheus.Metric) {
	counts := append(m.limits.Stats(), limit.Count{Scope: "address", Limit: "handshakes", Refused: m.handshakes.Total()})
	for _, c := range counts {
		ch <- prometheus.MustNewConstMetric(limitedTotal, prometheus.CounterValue, float64(c.Refused), c.Scope, c.Limit)
	}
}
