//go:build unix

package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

const (
	benchChannels = 1000
	benchSize     = 200 // bytes of a message
)

// BenchmarkPublish publishes on one of three nodes, each on a server of its own with three replicas.
// All are in this process, so the CPU time is that of all nodes and servers. The reported latencies
// are from the call of Publish to the delivery at another node.
func BenchmarkPublish(b *testing.B) {
	for _, sync := range []bool{false, true} {
		servers := natstest.StartCluster(b, 3, func(o *server.Options) { o.SyncAlways = sync })
		for _, publishers := range []int{1, 32, 256} {
			b.Run(fmt.Sprintf("sync=%v/publishers=%d", sync, publishers), func(b *testing.B) {
				benchPublish(b, publishers, natstest.URLs(servers...), fmt.Sprintf("b%d%v", publishers, sync))
			})
		}
		for _, s := range servers {
			natstest.Stop(s)
		}
	}
}

func benchPublish(b *testing.B, publishers int, urls []string, prefix string) {
	var nodes []*cluster.Engine
	for i, url := range urls {
		e, err := cluster.Open(b.Context(), cluster.Options{
			Servers: natsconn.Options{URLs: []string{url}, Node: fmt.Sprint("n", i), Prefix: prefix}, History: 1 << 30,
		})
		if err != nil {
			b.Fatal(err)
		}
		defer e.Close()
		nodes = append(nodes, e)
	}
	l := &latencies{want: int64(b.N), done: make(chan struct{})}
	for i := range benchChannels {
		_, stop, err := nodes[1].Follow(b.Context(), fmt.Sprint("c", i), l)
		if err != nil {
			b.Fatal(err)
		}
		defer stop()
	}
	cpu := cpuTime(b)
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for range publishers {
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				data := strconv.AppendInt(make([]byte, 0, benchSize), time.Now().UnixNano(), 10)
				for len(data) < benchSize {
					data = append(data, ' ')
				}
				if _, err := nodes[0].Publish(context.Background(), fmt.Sprint("c", n%benchChannels), engine.Message{Data: data}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	<-l.done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acked/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-us/op")
	slices.Sort(l.all)
	b.ReportMetric(l.all[len(l.all)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(l.all[len(l.all)*99/100].Seconds()*1000, "p99-ms")
}

// latencies measures how long deliveries take. It receives those of one node, one at a time.
type latencies struct {
	all  []time.Duration
	want int64
	done chan struct{}
}

// Deliver implements [engine.Follower].
func (l *latencies) Deliver(p *engine.Publication) {
	sent, _ := strconv.ParseInt(string(p.Data[:19]), 10, 64)
	l.all = append(l.all, time.Duration(time.Now().UnixNano()-sent))
	if int64(len(l.all)) == l.want {
		close(l.done)
	}
}

// Reset implements [engine.Follower].
func (l *latencies) Reset(engine.Position, error) {}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
