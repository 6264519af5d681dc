package server

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2/internal/panics"
	"github.com/boreas-pubsub/boreas/v2/sse"
	"github.com/boreas-pubsub/boreas/v2/ws"
)

// surviving recovers panics of a handler. It counts and logs them, and closes the request's
// connection or HTTP/2 stream.
func (s *Server) surviving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler {
				err := panics.Caught(v)
				s.panics.Add(1)
				s.log.Error("a request panicked", "method", r.Method, "path", r.URL.Path, "panic", err.Value, "stack", string(err.Stack))
			}
			panic(http.ErrAbortHandler) // the answer written so far is incomplete
		}()
		next.ServeHTTP(w, r)
	})
}

// panicMetrics reports panics to Prometheus.
type panicMetrics struct {
	http *atomic.Uint64
	ws   *ws.Counters
	sse  *sse.Counters
}

var panicsTotal = prometheus.NewDesc("boreas_panics_total",
	"Panics that ended only one request or session, by where: http (a request), websocket or sse (a session). Report them.", []string{"where"}, nil)

// Describe implements prometheus.Collector.
func (panicMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- panicsTotal }

// Collect implements prometheus.Collector.
func (m panicMetrics) Collect(ch chan<- prometheus.Metric) {
	for where, count := range map[string]*atomic.Uint64{"http": m.http, "websocket": &m.ws.Panics, "sse": &m.sse.Panics} {
		ch <- prometheus.MustNewConstMetric(panicsTotal, prometheus.CounterValue, float64(count.Load()), where)
	}
}
