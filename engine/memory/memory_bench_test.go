package memory_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/engine/memory"
)

// resident is the memory of this process in bytes as the system sees it, 0 where it
// does not tell.
func resident() int64 {
	text, _ := os.ReadFile("/proc/self/statm")
	var size, pages int64
	fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// footprint is the heap in use and the process's memory, after a collection.
func footprint() (heap, rss int64) {
	debug.FreeOSMemory()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc), resident()
}

// BenchmarkHistoryMemory measures what a message kept costs, in bytes of memory: 100
// of them are its own. The bar is 300. B-estimated/msg is what the engine's ceiling counts.
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
				for i := range c.messages { // as it happens: each channel now and then
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

// BenchmarkFullLog publishes to a log at its bound: each publication drops another.
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
