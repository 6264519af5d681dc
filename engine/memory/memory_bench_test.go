package memory_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// resident returns the memory of this process in bytes, as the system reports it; 0 if the system
// does not report it.
func resident() int64 {
	text, _ := os.ReadFile("/proc/self/statm")
	var size, pages int64
	fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// footprint returns the heap in use and the memory of the process after a garbage collection.
func footprint() (heap, rss int64) {
	debug.FreeOSMemory()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc), resident()
}

// BenchmarkHistoryMemory measures the memory that one kept message costs, in bytes; 100 of them are
// its data. The limit is 300. B-estimated/msg is the engine's own estimate, which counts against
// its ceiling.
func BenchmarkHistoryMemory(b *testing.B) {
	for _, c := range []struct {
		name               string
		channels, messages int
		keys               bool
	}{
		{"100000x10", 100_000, 10, false},
		{"1000000x1", 1_000_000, 1, false},
		{"10x100000", 10, 100_000, false},
		{"100000x10 with keys", 100_000, 10, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx, data := context.Background(), bytes.Repeat([]byte("x"), 100)
			for b.Loop() {
				heap, rss := footprint()
				m := memory.New(memory.Options{Memory: 8 << 30, Messages: 1 << 30, Bytes: 1 << 40})
				for i := range c.messages { // as in production: a message on each channel in turn
					for ch := range c.channels {
						msg := engine.Message{Data: bytes.Clone(data)}
						if c.keys {
							msg.Key = fmt.Sprintf("%032d", i)
						}
						if _, err := m.Publish(ctx, fmt.Sprintf("channel-%d", ch), msg); err != nil {
							b.Fatal(err)
						}
					}
				}
				heapNow, rssNow := footprint()
				all := float64(c.channels * c.messages)
				b.ReportMetric(float64(heapNow-heap)/all, "B-heap/msg")
				b.ReportMetric(float64(rssNow-rss)/all, "B-rss/msg")
				b.ReportMetric(float64(m.Stats().Bytes)/all, "B-estimated/msg")
				m.Close()
			}
		})
	}
}

// BenchmarkFullLog publishes to a log at its limit: each publication drops another one.
func BenchmarkFullLog(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := memory.New(memory.Options{Messages: n})
			defer m.Close()
			msg := engine.Message{Data: []byte("x")}
			for range 2 * n {
				m.Publish(context.Background(), "a", msg)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.Publish(context.Background(), "a", msg)
			}
		})
	}
}
