package sse

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// BenchmarkDeliver publishes to a channel with 200 streams, whose clients count the bytes and do not
// decompress. Server and clients share the processors.
func BenchmarkDeliver(b *testing.B) {
	const streams = 200
	for _, accept := range []string{"identity", "gzip"} {
		b.Run("accept="+accept, func(b *testing.B) {
			hub := boreas.New(boreas.Options{})
			s := httptest.NewServer(Handler(hub, Options{NoAuth: true}))
			defer s.Close()
			defer hub.Shutdown(b.Context(), 0)
			var received atomic.Int64
			var readers sync.WaitGroup
			for range streams {
				nc, err := net.Dial("tcp", s.Listener.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				fmt.Fprintf(nc, "GET %s?channel=news HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", Path, accept)
				in := bufio.NewReaderSize(nc, 64<<10)
				if _, err := in.ReadSlice('\n'); err != nil { // the status
					b.Fatal(err)
				}
				readers.Go(func() {
					defer nc.Close()
					n, _ := io.Copy(io.Discard, in)
					received.Add(n)
				})
			}
			for hub.Subscribers("news") < streams {
				time.Sleep(time.Millisecond)
			}
			i := 0
			for b.Loop() {
				i++
				if _, err := hub.Publish(b.Context(), "news", engine.Message{Data: []byte(chat(i))}); err != nil {
					b.Fatal(err)
				}
				if i%16 == 0 { // so that no stream falls behind
					delivered := func() uint64 { return hub.Stats().Deliveries }
					for delivered() < uint64(i)*streams {
						time.Sleep(20 * time.Microsecond)
					}
				}
			}
			hub.Shutdown(b.Context(), 0)
			readers.Wait()
			b.ReportMetric(float64(received.Load())/float64(i*streams), "wire-B/delivery")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i*streams), "ns/delivery")
		})
	}
}
