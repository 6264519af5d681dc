package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/internal/config"
	"github.com/boreas-pubsub/boreas/internal/fault"
	"github.com/boreas-pubsub/boreas/internal/limit"
	"github.com/boreas-pubsub/boreas/internal/peer"
)

// newLimits returns what one client may do as the configuration says. What sessions are,
// the hub counts.
func (s *Server) newLimits(cfg config.Config) *limit.Limits {
	return limit.New(limit.Options{
		Address: limit.Bounds{
			Accepts: cfg.AddressAccepts, Requests: cfg.AddressRequests,
			Bytes: cfg.AddressBytes, Failures: cfg.AddressFailures,
		},
		User:   limit.Bounds{Requests: cfg.UserRequests, Publishes: cfg.UserPublishes, Bytes: cfg.UserBytes},
		Key:    limit.Bounds{Requests: cfg.KeyRequests, Publishes: cfg.KeyPublishes, Bytes: cfg.KeyBytes},
		Exempt: cfg.Unlimited(),
		Refused: func(r limit.Refusal) {
			s.log.Warn("a client does more than it may", "option", r.Option, "client", r.Client, "refused", r.Refused)
		},
	})
}

// identify writes into the request who sent it, for all that comes after, and returns the
// address.
func identify(proxies peer.Proxies, r *http.Request) netip.Addr {
	client := proxies.Client(r)
	if text := client.String(); client.IsValid() && text != r.RemoteAddr {
		r.RemoteAddr = text
	}
	return client.Addr()
}

// limited bounds what each address asks of the API. A body that claims to be larger than
// maxBody is never read, so it counts for no more than that: otherwise one header with a
// great number would leave its address with a debt of years.
func limited(limits *limit.Limits, proxies peer.Proxies, maxBody int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := limits.Address(identify(proxies, r))
		if client == nil {
			next.ServeHTTP(w, r)
			return
		}
		if err := client.Request(int(min(max(r.ContentLength, 0), maxBody))); err != nil {
			refuseAPI(w, r, err)
			return
		}
		if r.ContentLength < 0 {
			r.Body = &metered{r.Body, client}
		}
		next.ServeHTTP(w, r)
	})
}

// metered is a body whose length nobody said before.
type metered struct {
	io.ReadCloser
	client *limit.Client
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.client.Sent(n)
	return n, err
}

// refuseAPI answers a request to the API in the words of its path: those of 2013, or the
// error's object.
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

// limitMetrics shows to Prometheus how often a client did more than it may.
type limitMetrics struct {
	limits     *limit.Limits
	handshakes *limit.Meter
}

var limitedTotal = prometheus.NewDesc("boreas_limited_total",
	"What was refused because one client did too much, by scope (address, user or key) and limit, which together are the option's name. address and handshakes: connections closed because their peer had too many that were no sessions.",
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
