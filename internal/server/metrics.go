package server

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2/ws"
)

// wsMetrics reports the counters of the subscribers' port and its transports to Prometheus. It is
// in this package because packages ws and api do not know each other.
type wsMetrics struct {
	counters *ws.Counters
	gate     *gateCounters

	connections *connections
}

var (
	wsRefused = prometheus.NewDesc("boreas_ws_refused_total",
		"Refused connections of subscribers, by reason: handshake (not valid), full (too many sessions, or shutting down), crowded (too many connections that are not sessions yet), rate (over accept_rate), origin (not in allow_origin) or proxy_header (a trusted proxy sent no valid header of the PROXY protocol).", []string{"reason"}, nil)
	wsClosed = prometheus.NewDesc("boreas_ws_closed_total",
		"WebSockets closed because of a client's input, by reason.", []string{"reason"}, nil)
	wsRejected = prometheus.NewDesc("boreas_ws_rejected_total",
		"Wrong input of protocol 2 that got an error, by kind: message (not a request) or token (not valid).", []string{"what"}, nil)
	wsIgnored = prometheus.NewDesc("boreas_ws_ignored_total",
		"Wrong input that the classic wire ignored, by kind: message (not a known request), name (not a valid channel name), token (not valid) or anonymous (a join or leave without a token).", []string{"what"}, nil)
	wsCompression = prometheus.NewDesc("boreas_ws_compression_bytes_total",
		"Bytes of compressed WebSocket messages, by direction: out (publications, each of which counts once for all its subscribers) or in (messages of clients), and by form: plain or compressed.", []string{"direction", "form"}, nil)
)

// Describe implements prometheus.Collector.
func (m wsMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- wsRefused
	ch <- wsClosed
	ch <- wsIgnored
	ch <- wsRejected
	ch <- wsCompression
}

// Collect implements prometheus.Collector.
func (m wsMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, row := range []struct {
		desc  *prometheus.Desc
		label string
		count *atomic.Uint64
	}{
		{wsRefused, "handshake", &m.counters.Handshakes},
		{wsRefused, "full", &m.counters.Full},
		{wsRefused, "rate", &m.gate.tooFast},
		{wsRefused, "origin", &m.gate.origin},
		{wsClosed, "protocol_error", &m.counters.ProtocolErrors},
		{wsClosed, "invalid_text", &m.counters.InvalidText},
		{wsClosed, "too_big", &m.counters.TooBig},
		{wsClosed, "flooding", &m.counters.Flooding},
		{wsIgnored, "message", &m.counters.IgnoredMessages},
		{wsIgnored, "name", &m.counters.IgnoredNames},
		{wsIgnored, "token", &m.counters.IgnoredTokens},
		{wsIgnored, "anonymous", &m.counters.IgnoredAnonymous},
		{wsRejected, "message", &m.counters.Malformed},
		{wsRejected, "token", &m.counters.RefusedTokens},
	} {
		ch <- prometheus.MustNewConstMetric(row.desc, prometheus.CounterValue, float64(row.count.Load()), row.label)
	}
	for _, row := range []struct {
		direction, form string
		count           *atomic.Uint64
	}{
		{"out", "plain", &m.counters.CompressedFrom},
		{"out", "compressed", &m.counters.CompressedTo},
		{"in", "plain", &m.counters.InflatedTo},
		{"in", "compressed", &m.counters.InflatedFrom},
	} {
		ch <- prometheus.MustNewConstMetric(wsCompression, prometheus.CounterValue, float64(row.count.Load()), row.direction, row.form)
	}
	ch <- prometheus.MustNewConstMetric(wsRefused, prometheus.CounterValue, float64(m.connections.full.Total()), "crowded")
	ch <- prometheus.MustNewConstMetric(wsRefused, prometheus.CounterValue, float64(m.gate.proxyHeader.Total()), "proxy_header")
}
