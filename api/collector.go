package api

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// collector reads the hub's counters at each scrape, so the metrics cost the hub nothing in
// between.
type collector struct {
	hub       *boreas.Hub
	authority *auth.Authority
	counts    *counts
	routes    *routes
	rows      []row

	writes, requests *prometheus.Desc
}

type row struct {
	metric
	desc *prometheus.Desc
}

func newCollector(hub *boreas.Hub, a *auth.Authority, c *counts, t *routes) *collector {
	k := &collector{hub: hub, authority: a, counts: c, routes: t}
	for _, m := range metricTable {
		var labels prometheus.Labels
		if name, value, ok := strings.Cut(m.label, "="); ok {
			labels = prometheus.Labels{name: value}
		}
		k.rows = append(k.rows, row{m, prometheus.NewDesc("boreas_"+m.name, m.help, nil, labels)})
	}
	k.writes = prometheus.NewDesc("boreas_write_publications",
		"Messages per write to a session. Its count is the number of writes.", nil, nil)
	k.requests = prometheus.NewDesc("boreas_api_requests_total",
		"Answered requests, by route and status.", []string{"route", "status"}, nil)
	return k
}

// Describe implements [prometheus.Collector].
func (k *collector) Describe(out chan<- *prometheus.Desc) {
	for _, r := range k.rows {
		out <- r.desc
	}
	out <- k.writes
	out <- k.requests
	for _, desc := range storeMetrics {
		out <- desc
	}
}

// Collect implements [prometheus.Collector].
func (k *collector) Collect(out chan<- prometheus.Metric) {
	s := &snapshot{k.hub.Stats(), k.counts, k.authority.Len(), len(k.authority.Keys()), k.authority.Revocations()}
	for _, r := range k.rows {
		out <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(s))
	}
	// Each of the hub's buckets counts only its own values. Prometheus's buckets include the lower
	// ones.
	var count uint64
	buckets := make(map[float64]uint64)
	for i, n := range s.Batches {
		count += n
		if i < len(s.Batches)-1 { // the last bucket has no upper bound
			buckets[float64(uint64(1)<<i)] = count
		}
	}
	out <- prometheus.MustNewConstHistogram(k.writes, count, float64(s.Deliveries), buckets)
	collectStore(out, s.Engine.Store)
	for _, r := range k.routes.list {
		k.collectRequests(out, r)
	}
	k.collectRequests(out, &k.routes.none)
}

// collectRequests reports the number of responses by status. It reports the success status even at
// 0, and other statuses only if they occurred, because most routes use few of them.
func (k *collector) collectRequests(out chan<- prometheus.Metric, r *route) {
	for i := range r.answers {
		status, label := 0, "other"
		if i < len(statuses) {
			status, label = statuses[i], strconv.Itoa(statuses[i])
		}
		if n := r.answers[i].Load(); n > 0 || status == r.ok {
			out <- prometheus.MustNewConstMetric(k.requests, counter, float64(n), r.pattern, label)
		}
	}
}
