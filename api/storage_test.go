package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// stored is a memory engine that reports files.
type stored struct {
	*memory.Engine
	store *engine.StoreStats
}

func (e stored) Stats() engine.Stats {
	s := e.Engine.Stats()
	s.EvictedDisk, s.Store = 7, e.store
	return s
}

// TestStatsOfFiles: the metrics and the counters of an engine with files.
func TestStatsOfFiles(t *testing.T) {
	memory := memory.New(memory.Options{})
	t.Cleanup(func() { memory.Close() })
	e := stored{memory, &engine.StoreStats{
		Segments: 3, Bytes: 190, Free: 1 << 20, Written: 555,
		Failed: errors.New("write 3.log: input/output error"),
		Sync:   engine.Histogram{Bounds: []float64{0.001, 0.01}, Counts: []uint64{4, 1}, Count: 6, Sum: 1.5},
		Batch:  engine.Histogram{Bounds: []float64{1, 8}, Counts: []uint64{0, 6}, Count: 6, Sum: 20},
	}}
	r := newRig(t, boreas.Options{Engine: e}, api.Options{})
	metrics := func() string {
		ours := regexp.MustCompile(`(?m)^boreas_(history_(disk|segments|sync|batch|written|evicted_total\{reason="disk)|storage).*\n`)
		return strings.Join(ours.FindAllString(r.do("GET", "/metrics", ""), -1), "")
	}
	const want = `boreas_history_batch_messages_bucket{le="1"} 0
boreas_history_batch_messages_bucket{le="8"} 6
boreas_history_batch_messages_bucket{le="+Inf"} 6
boreas_history_batch_messages_sum 20
boreas_history_batch_messages_count 6
boreas_history_disk_bytes 190
boreas_history_disk_free_bytes 1.048576e+06
boreas_history_evicted_total{reason="disk"} 7
boreas_history_segments 3
boreas_history_sync_seconds_bucket{le="0.001"} 4
boreas_history_sync_seconds_bucket{le="0.01"} 5
boreas_history_sync_seconds_bucket{le="+Inf"} 6
boreas_history_sync_seconds_sum 1.5
boreas_history_sync_seconds_count 6
boreas_history_written_bytes_total 555
boreas_storage_failed 1
`
	if diff := cmp.Diff(want, metrics()); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	store := func() string {
		_, body, _ := strings.Cut(r.do("GET", "/v2/stats", ""), "\n\n")
		var stats struct {
			Engine struct{ Store json.RawMessage }
		}
		if err := json.Unmarshal([]byte(body), &stats); err != nil {
			t.Fatal(err)
		}
		return string(stats.Engine.Store)
	}
	const wantStore = `{"segments":3,"bytes":190,"free":1048576,"written":555,"failed":"write 3.log: input/output error",` +
		`"sync":{"bounds":[0.001,0.01],"counts":[4,1],"count":6,"sum":1.5},"batch":{"bounds":[1,8],"counts":[0,6],"count":6,"sum":20}}`
	if diff := cmp.Diff(wantStore, store()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}

	// The free space is unknown, and the storage works.
	e.store.Free, e.store.Failed = -1, nil
	got := metrics()
	if strings.Contains(got, "boreas_history_disk_free_bytes") || !strings.Contains(got, "\nboreas_storage_failed 0\n") {
		t.Errorf("metrics:\n%s", got)
	}
	if got := store(); !strings.Contains(got, `"free":-1,"written":555,"failed":null,`) {
		t.Errorf("counters: %s", got)
	}
}

// unreadable is an engine that fails to read.
type unreadable struct {
	*memory.Engine
	err error
}

func (e unreadable) Read(context.Context, string, engine.Position, engine.Limit) (engine.History, error) {
	return engine.History{}, e.err
}

// TestHistoryThatCannotBeRead: a client gets the code, and not the name of the file.
func TestHistoryThatCannotBeRead(t *testing.T) {
	memory := memory.New(memory.Options{})
	t.Cleanup(func() { memory.Close() })
	e := unreadable{memory, fmt.Errorf("/data/7.log, byte 40: %w", engine.ErrStorageFailed)}
	r := newRig(t, boreas.Options{Engine: e}, api.Options{})
	want := strings.Replace(failure(503, "storage_failed", "The server's disk has failed: it could not write the message, or could not read stored messages.", ""),
		"\nX-", "\nRetry-After: 5\nX-", 1)
	if diff := cmp.Diff(want, r.do("GET", "/v2/channels/c/messages", "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
