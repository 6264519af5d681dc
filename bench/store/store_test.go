package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// metricsOf runs the program and returns the names of its metrics.
func metricsOf(t *testing.T, args ...string) []string {
	t.Helper()
	var out bytes.Buffer
	if !slices.Contains(args, "-dir") {
		args = append(args, "-dir", t.TempDir())
	}
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	var metrics map[string]float64
	if err := json.Unmarshal(out.Bytes(), &metrics); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(metrics))
}

func TestStoresArePublishedTo(t *testing.T) {
	want := []string{"cpu_us_each", "device_per_payload", "p50_us", "p99_us", "publishes_per_s", "written_per_payload"}
	for _, name := range []string{"disk", "memory", "sync"} {
		got := metricsOf(t, "-store", name, "-publishers", "3", "-warmup", "1ms", "-measured", "100ms")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestReplayReadsEveryMessage: replay itself compares each offset, each size and the number.
func TestReplayReadsEveryMessage(t *testing.T) {
	got := metricsOf(t, "-replay", "3000")
	if diff := cmp.Diff([]string{"cpu_us_each", "open_ms", "replayed_per_s"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReopenFindsEveryMessage: the steps compare the numbers of messages themselves. The step that
// waits for the sorting takes seconds, so it is left out.
func TestReopenFindsEveryMessage(t *testing.T) {
	dir := t.TempDir()
	want := map[string][]string{
		fillStep: nil,
		openStep: {"heap_each", "open_cpu_ms", "open_ms", "peak_per_rss", "peak_rss_mib", "rss_mib"},
		readStep: {"warm_p50_us", "warm_p99_us"},
	}
	for _, step := range []string{fillStep, openStep, readStep} {
		got := metricsOf(t, "-reopen", "3000", "-step", step, "-dir", dir)
		got = slices.DeleteFunc(got, func(name string) bool { return strings.HasPrefix(name, "cold_") }) // for root only
		if diff := cmp.Diff(want[step], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
}

func TestCommandLineIsChecked(t *testing.T) {
	t.Chdir(t.TempDir()) // for the folder x
	for _, args := range []string{"", "-dir x -publishers 0", "-dir x surplus", "-dir x -store nonsense", "-dir x -replay 5 -store memory", "-dir x -reopen 5 -store memory", "-dir x -reopen 500 -step nonsense", "-dir x -store pebble"} {
		if err := run(t.Context(), strings.Fields(args), nil); err == nil {
			t.Errorf("store %s: no error", args)
		}
	}
}
