package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Metrics of the files of an engine. An engine without files has none of them.
var (
	diskBytes = prometheus.NewDesc("boreas_history_disk_bytes",
		"Size of the files with messages (history_disk).", nil, nil)
	diskFree = prometheus.NewDesc("boreas_history_disk_free_bytes",
		"Bytes that the file system with the messages has left for the server (disk_free).", nil, nil)
	diskSegments = prometheus.NewDesc("boreas_history_segments",
		"Files with messages.", nil, nil)
	diskWritten = prometheus.NewDesc("boreas_history_written_bytes_total",
		"Bytes written to the files with messages.", nil, nil)
	diskSync = prometheus.NewDesc("boreas_history_sync_seconds",
		"Time for one wait until the disk has what was written.", nil, nil)
	diskBatch = prometheus.NewDesc("boreas_history_batch_messages",
		"Messages per wait for the disk.", nil, nil)
	diskFailed = prometheus.NewDesc("boreas_storage_failed",
		"1 if the storage has failed, so that the server accepts no messages until its restart; otherwise 0.", nil, nil)
)

// storeMetrics lists the metrics of an engine's files.
var storeMetrics = []*prometheus.Desc{diskBytes, diskFree, diskSegments, diskWritten, diskSync, diskBatch, diskFailed}

// collectStore reports the files of an engine that has some.
func collectStore(out chan<- prometheus.Metric, s *engine.StoreStats) {
	if s == nil {
		return
	}
	out <- prometheus.MustNewConstMetric(diskBytes, gauge, float64(s.Bytes))
	if s.Free >= 0 {
		out <- prometheus.MustNewConstMetric(diskFree, gauge, float64(s.Free))
	}
	out <- prometheus.MustNewConstMetric(diskSegments, gauge, float64(s.Segments))
	out <- prometheus.MustNewConstMetric(diskWritten, counter, float64(s.Written))
	failed := 0.0
	if s.Failed != nil {
		failed = 1
	}
	out <- prometheus.MustNewConstMetric(diskFailed, gauge, failed)
	out <- histogram(diskSync, s.Sync)
	out <- histogram(diskBatch, s.Batch)
}

// histogram converts a histogram of an engine. Each of the engine's buckets counts only its own
// values; Prometheus's buckets include the lower ones.
func histogram(desc *prometheus.Desc, h engine.Histogram) prometheus.Metric {
	buckets := make(map[float64]uint64, len(h.Bounds))
	var below uint64
	for i, bound := range h.Bounds {
		below += h.Counts[i]
		buckets[bound] = below
	}
	return prometheus.MustNewConstHistogram(desc, h.Count, h.Sum, buckets)
}
