package disk_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
)

// BenchmarkPublish publishes 200 bytes on 1,000 channels from a number of goroutines.
func BenchmarkPublish(b *testing.B) {
	data := make([]byte, 200)
	for i := range data {
		data[i] = "0123456789abcdef"[rand.IntN(16)]
	}
	for _, publishers := range []int{1, 32, 256} {
		b.Run(fmt.Sprint(publishers), func(b *testing.B) {
			e, _, err := disk.Open(b.TempDir(), disk.Options{Messages: 100, DiskFree: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			var wg sync.WaitGroup
			took := make([]time.Duration, b.N)
			b.ReportAllocs()
			b.ResetTimer()
			for p := range publishers {
				wg.Go(func() {
					for i := p; i < b.N; i += publishers {
						start := time.Now()
						if _, err := e.Publish(context.Background(), fmt.Sprint("c", i%1000), engine.Message{Data: data}); err != nil {
							b.Error(err)
							return
						}
						took[i] = time.Since(start)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			b.ReportMetric(float64(took[b.N/2].Microseconds()), "p50-us")
		})
	}
}

// BenchmarkSync measures a bare write of 4 KiB that waits for the disk.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(b.TempDir() + "/file")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 4096)
	if err := disk.Allocate(f, 64<<20); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := f.WriteAt(buf, int64(i*4096)%(64<<20)); err != nil {
			b.Fatal(err)
		}
		if err := disk.SyncData(f); err != nil {
			b.Fatal(err)
		}
	}
}
