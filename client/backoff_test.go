package client

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBackoffDoublesUpToItsBoundAndForgetsAfterAGoodConnection(t *testing.T) {
	b := backoff{base: time.Second, max: 5 * time.Second, stable: time.Minute, random: func(limit time.Duration) time.Duration { return limit }}
	got := []time.Duration{
		b.next(0, 0), b.next(0, 0), b.next(0, 0), b.next(59*time.Second, 0), b.next(time.Minute, 0),
		b.next(0, 4*time.Second), b.next(0, time.Hour),
	}
	for range 200 {
		b.next(0, 0)
	}
	got = append(got, b.next(0, 0))
	want := []time.Duration{1e9, 2e9, 4e9, 5e9, 1e9, 4e9, 5e9, 5e9}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}

func TestJitterIsSpreadOverTheWholeRange(t *testing.T) {
	const limit, buckets = 100, 4
	var seen [buckets]bool
	for range 1000 {
		d := upTo(limit)
		if d < 0 || d > limit {
			t.Fatalf("%v is outside 0 to %d", d, limit)
		}
		seen[min(int(d)*buckets/limit, buckets-1)] = true
	}
	if seen != [buckets]bool{true, true, true, true} {
		t.Errorf("quarters of the range that were hit: %v, want all", seen)
	}
}
