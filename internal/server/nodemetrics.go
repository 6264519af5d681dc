package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
)

// nodeMetrics reports what a node of a cluster knows to Prometheus.
type nodeMetrics struct {
	group  *nodes.Group
	engine *cluster.Engine
	peers  int
}

var (
	clusterNodes = prometheus.NewDesc("boreas_cluster_nodes",
		"Live nodes of the cluster that this node knows, including itself.", nil, nil)
	clusterPeers = prometheus.NewDesc("boreas_cluster_peers",
		"Nodes that cluster_peers names, or 0 with NATS servers of your own.", nil, nil)
	clusterBehind = prometheus.NewDesc("boreas_cluster_behind_messages",
		"Messages that the cluster has and this node does not have yet.", nil, nil)
	clusterSilence = prometheus.NewDesc("boreas_cluster_silence_seconds",
		"Seconds since this node has last proved that it reaches a majority; about one if all is well.", nil, nil)
	clusterIsolated = prometheus.NewDesc("boreas_cluster_isolated",
		"1 while this node is cut off from the majority and sends its sessions away, otherwise 0.", nil, nil)
	clusterRetries = prometheus.NewDesc("boreas_cluster_publish_retries_total",
		"Attempts to publish that were repeated, for example while a leader was elected.", nil, nil)
	clusterLate = prometheus.NewDesc("boreas_cluster_late_total",
		"Messages that were acknowledged before this node had received them.", nil, nil)
	clusterFilled = prometheus.NewDesc("boreas_cluster_filled_total",
		"Messages that this node had to fetch because the server that should send them was silent.", nil, nil)
	clusterCold = prometheus.NewDesc("boreas_cluster_cold_reads_total",
		"Reads of history that was not in the memory of this node.", nil, nil)
	clusterResets = prometheus.NewDesc("boreas_cluster_resets_total",
		"Times that all clients of this node got a gap, because the cluster or this node has lost messages.", nil, nil)
)

// newNodeMetrics returns the metrics of a node, or none if there is only one.
func (s *Server) newNodeMetrics() prometheus.Collector {
	m := nodeMetrics{}
	if s.cluster != nil {
		m.group = s.cluster.group
		m.engine, _ = s.engine.(*cluster.Engine)
		m.peers = len(s.cfg.Peers())
	}
	return m
}

// Describe implements prometheus.Collector.
func (m nodeMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		clusterNodes, clusterPeers, clusterBehind, clusterSilence, clusterIsolated, clusterRetries, clusterLate, clusterFilled, clusterCold, clusterResets,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m nodeMetrics) Collect(ch chan<- prometheus.Metric) {
	if m.group == nil || m.engine == nil {
		return
	}
	s := m.engine.Status()
	isolated := 0.0
	if s.Isolated {
		isolated = 1
	}
	for _, row := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value float64
	}{
		{clusterNodes, prometheus.GaugeValue, float64(1 + len(m.group.Names()))},
		{clusterPeers, prometheus.GaugeValue, float64(m.peers)},
		{clusterBehind, prometheus.GaugeValue, float64(s.Last - s.At)},
		{clusterSilence, prometheus.GaugeValue, s.Silence},
		{clusterIsolated, prometheus.GaugeValue, isolated},
		{clusterRetries, prometheus.CounterValue, float64(s.Retries)},
		{clusterLate, prometheus.CounterValue, float64(s.Late)},
		{clusterFilled, prometheus.CounterValue, float64(s.Filled)},
		{clusterCold, prometheus.CounterValue, float64(s.ColdReads)},
		{clusterResets, prometheus.CounterValue, float64(s.Resets)},
	} {
		ch <- prometheus.MustNewConstMetric(row.desc, row.kind, row.value)
	}
}
