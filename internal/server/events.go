package server

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2/sse"
)

// events returns the handler for streams of server-sent events.
func (s *Server) events() http.Handler {
	o := sse.Options{
		Check:       s.authority.Check,
		NoAuth:      !s.cfg.RequireAuth,
		Cookie:      s.cfg.TokenCookie,
		AuthHeaders: s.cfg.AuthHeaders(),
		Limits:      s.limits,
		Refusals:    s.refusals,
		AllowOrigin: func(origin string) (string, bool) { return s.origins.get().header(origin) },

		NoCompression:  !s.cfg.Compression,
		CompressionMin: int(s.cfg.CompressionMin),

		Heartbeat: s.cfg.WSPingInterval,
		Counters:  &s.sseCount,
		Log:       s.log,
	}
	if s.cfg.WSPingInterval > 0 { // otherwise the server does not check whether peers are alive
		o.PeerTimeout = s.cfg.WSPingTimeout
	}
	streams := sse.Handler(s.hub, o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor >= 2 {
			s.sharing.Add(1)
			defer s.sharing.Add(-1)
		}
		streams.ServeHTTP(w, r)
	})
}

// sseMetrics reports refused streams to Prometheus. The gate counts pages whose origin is refused.
type sseMetrics struct{ counters *sse.Counters }

var (
	sseRefused = prometheus.NewDesc("boreas_sse_refused_total",
		"Refused requests for an event stream, by reason: malformed, unauthenticated, full (too many sessions, or shutting down) or not_joined (it could not join any of its channels).", []string{"reason"}, nil)
	sseCompression = prometheus.NewDesc("boreas_sse_compression_bytes_total",
		"Bytes of messages that were compressed for event streams, by form: plain or compressed. Each message counts once for all its subscribers.", []string{"form"}, nil)
)

// Describe implements prometheus.Collector.
func (m sseMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- sseRefused
	ch <- sseCompression
}

// Collect implements prometheus.Collector.
func (m sseMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, row := range []struct {
		label string
		count *atomic.Uint64
	}{
		{"malformed", &m.counters.Malformed},
		{"unauthenticated", &m.counters.Unauthenticated},
		{"full", &m.counters.Full},
		{"not_joined", &m.counters.NotJoined},
	} {
		ch <- prometheus.MustNewConstMetric(sseRefused, prometheus.CounterValue, float64(row.count.Load()), row.label)
	}
	ch <- prometheus.MustNewConstMetric(sseCompression, prometheus.CounterValue, float64(m.counters.CompressedFrom.Load()), "plain")
	ch <- prometheus.MustNewConstMetric(sseCompression, prometheus.CounterValue, float64(m.counters.CompressedTo.Load()), "compressed")
}
