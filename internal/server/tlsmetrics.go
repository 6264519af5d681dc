package server

import (
	"log"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	tlsExpires = prometheus.NewDesc("boreas_tls_certificate_expires_seconds",
		"Seconds until the port's certificate ends, the first of several; negative once it has.", []string{"port"}, nil)
	tlsFailed = prometheus.NewDesc("boreas_tls_handshakes_failed_total",
		"Connections that did not get through the handshake of TLS, by port.", []string{"port"}, nil)
)

// tlsMetrics shows the ports that have TLS.
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

// errorLog returns a log for net/http that counts failed handshakes, of which it writes
// a line each: anybody can make as many as they like. They are logged as the level debug
// is on for.
func (s *secured) errorLog(others *log.Logger) *log.Logger {
	return log.New(handshakeErrors{s, others}, "", 0)
}

type handshakeErrors struct {
	s      *secured
	others *log.Logger
}

// Write implements [io.Writer]; log.Logger calls it once a line.
func (e handshakeErrors) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	if reason, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		e.s.failed.Add(1)
		e.s.expiry.log.Debug("a handshake of TLS has failed", "port", e.s.port, "from", reason)
	} else {
		e.others.Print(text)
	}
	return len(line), nil
}
