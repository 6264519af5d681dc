package server

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// How long a connection may take to send its first request while the port is full. Backends are
// near; subscribers have slow networks and may first need a TLS handshake.
const (
	silentGraceAPI = 250 * time.Millisecond
	silentGraceWS  = 2 * time.Second
)

// boundConnections limits the connections without a session on both ports.
func (s *Server) boundConnections(d descriptors) {
	common := connectionsOptions{limits: s.limits, proxies: s.cfg.Trusted()}
	api, ws := common, common

	api.room = func() int { return d.api }
	api.reserve, api.share = d.api/answeredShare, max(d.api/addressOfAPI, minPeer)
	api.silentGrace = silentGraceAPI
	api.log = s.crowdLog("api")
	s.api.connections = newConnections(api)

	// A handshake may use the free place of a session. Sessions that share an HTTP/2 connection do
	// not count, because the shared connection counts as a connection without a session.
	ws.room = func() int {
		if d.sessions == 0 {
			return math.MaxInt
		}
		return d.sessions + d.handshakes - s.connected()
	}
	ws.reserve, ws.share = d.handshakes/answeredShare, addressHandshakes(d.handshakes)
	ws.silentGrace = silentGraceWS
	ws.log = s.crowdLog("ws")
	s.ws.connections = newConnections(ws)
}

func (s *Server) crowdLog(port string) func(message, client string, refused uint64) {
	return func(message, client string, refused uint64) {
		s.log.Warn(message, "port", port, "client", client, "refused", refused)
	}
}

// connectionMetrics reports the ports' connections without a session to Prometheus.
type connectionMetrics struct {
	account descriptors
	ports   map[string]*connections
}

var (
	connectionsOpen = prometheus.NewDesc("boreas_connections",
		"Open connections that are not sessions, by port: the API's, and handshakes under way.", []string{"port"}, nil)
	connectionsEvicted = prometheus.NewDesc("boreas_connections_evicted_total",
		"Connections without a request under way that were closed to make room for new ones, by port.", []string{"port"}, nil)
	connectionsRefused = prometheus.NewDesc("boreas_connections_refused_total",
		"Refused new connections, by port and reason: full (the port has reached its limit) or address (the address has reached its limit).", []string{"port", "reason"}, nil)
	descriptorsShared = prometheus.NewDesc("boreas_file_descriptors",
		"File descriptors reserved for sessions, handshakes, api and files. 0 means unlimited.", []string{"for"}, nil)
)

// Describe implements prometheus.Collector.
func (connectionMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- connectionsOpen
	ch <- connectionsEvicted
	ch <- connectionsRefused
	ch <- descriptorsShared
}

// Collect implements prometheus.Collector.
func (m connectionMetrics) Collect(ch chan<- prometheus.Metric) {
	for port, cs := range m.ports {
		ch <- prometheus.MustNewConstMetric(connectionsOpen, prometheus.GaugeValue, float64(cs.number()), port)
		ch <- prometheus.MustNewConstMetric(connectionsEvicted, prometheus.CounterValue, float64(cs.evicted.Load()), port)
		ch <- prometheus.MustNewConstMetric(connectionsRefused, prometheus.CounterValue, float64(cs.full.Total()), port, "full")
		ch <- prometheus.MustNewConstMetric(connectionsRefused, prometheus.CounterValue, float64(cs.crowding.Total()), port, "address")
	}
	for what, n := range map[string]int{
		"sessions": m.account.sessions, "handshakes": m.account.handshakes, "api": m.account.api, "files": m.account.files,
	} {
		ch <- prometheus.MustNewConstMetric(descriptorsShared, prometheus.GaugeValue, float64(n), what)
	}
}
