package server

import (
	"log"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	tlsExpires = prometheus.NewDesc("boreas_tls_certificate_expires_seconds",
		"Seconds until the first certificate of the port expires; negative after its expiry.", []string{"port"}, nil)
	tlsFailed = prometheus.NewDesc("boreas_tls_handshakes_failed_total",
		"Failed TLS handshakes, by port.", []string{"port"}, nil)
)

// tlsMetrics reports the ports that have TLS to Prometheus.
type tlsMetrics []*secured

// Describe implements prometheus.Collector.
func (m tlsMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- tlsExpires
	ch <- tlsFailed
}

// Collect implements prometheus.Collector.
func (m tlsMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, s := range m {
		ch <- prometheus.MustNewConstMetric(tlsFailed, prometheus.CounterValue, float64(s.failed.Load()), s.port)
		if leaf := s.source.leaf(); leaf != nil {
			ch <- prometheus.MustNewConstMetric(tlsExpires, prometheus.GaugeValue, time.Until(leaf.NotAfter).Seconds(), s.port)
		}
	}
}

// errorLog returns a logger for net/http that counts failed TLS handshakes and logs them at debug
// level only, because anybody can cause any number of them.
func (s *secured) errorLog(others *log.Logger) *log.Logger {
	return log.New(handshakeErrors{s, others}, "", 0)
}

type handshakeErrors struct {
	s      *secured
	others *log.Logger
}

// Write implements [io.Writer]. log.Logger calls it once per line.
func (e handshakeErrors) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	if reason, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		e.s.failed.Add(1)
		e.s.expiry.log.Debug("a TLS handshake failed", "port", e.s.port, "from", reason)
	} else {
		e.others.Print(text)
	}
	return len(line), nil
}
