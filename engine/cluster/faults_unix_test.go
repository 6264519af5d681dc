//go:build unix

package cluster_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// The tests of this file take minutes. `make test` leaves them out: set CLUSTER_FAULTS=1 to run them.
func needFaults(t *testing.T) {
	t.Helper()
	if os.Getenv("CLUSTER_FAULTS") == "" {
		t.Skip("CLUSTER_FAULTS is not set")
	}
}

// A load has a publisher on each of several engines, and a follower of its channel on all of them.
type load struct {
	engines   []*cluster.Engine
	followers []*follower

	mu      sync.Mutex
	acked   map[uint64]string // by offset
	failed  []string
	longest time.Duration
	rounds  int  // how often it has run
	mayFail bool // publishes may fail: the fault may last longer than an attempt to publish
}

const loadChannel = "load"

// run publishes until ctx ends.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	for i, e := range l.engines {
		for p := range 4 {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					text := fmt.Sprintf("%d %d %d %d", l.rounds, i, p, n)
					began := time.Now()
					ack, err := e.Publish(context.WithoutCancel(ctx), loadChannel, engine.Message{Data: []byte(text), Key: text})
					took := time.Since(began)
					l.mu.Lock()
					l.longest = max(l.longest, took)
					if err != nil {
						l.failed = append(l.failed, fmt.Sprintf("%s: %v", text, err))
					} else {
						l.acked[ack.Position.Offset] = text
					}
					l.mu.Unlock()
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
	wg.Wait()
	l.rounds++
}

// check compares the acknowledged messages with those that the engines have delivered.
func (l *load) check(t *testing.T) {
	t.Helper()
	offsets := slices.Sorted(maps.Keys(l.acked))
	last := offsets[len(offsets)-1]
	for i, f := range l.followers {
		eventually(t, fmt.Sprintf("engine %d has everything", i), func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.pubs) > 0 && f.pubs[len(f.pubs)-1].Offset >= last
		})
		f.mu.Lock()
		got := map[uint64]string{}
		texts := map[string]int{}
		before := uint64(0)
		for _, p := range f.pubs {
			if p.Offset <= before {
				t.Errorf("engine %d: offset %d comes after %d", i, p.Offset, before)
			}
			before = p.Offset
			texts[string(p.Data)]++
			if _, ok := l.acked[p.Offset]; ok {
				got[p.Offset] = string(p.Data)
			}
		}
		f.mu.Unlock()
		for text, n := range texts {
			if n > 1 {
				t.Errorf("engine %d: %s came %d times", i, text, n)
			}
		}
		if diff := cmp.Diff(l.acked, got); diff != "" {
			t.Errorf("engine %d (-acknowledged +delivered): %.500s", i, diff)
		}
		if gaps := f.resets(); gaps != nil {
			t.Errorf("engine %d has gaps: %v", i, gaps)
		}
	}
	if len(l.failed) > 0 && !l.mayFail {
		t.Errorf("%d publishes failed, for example %s", len(l.failed), l.failed[0])
	}
}

// leaderOf returns the name of the server that leads the stream.
func leaderOf(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var leader string
	eventually(t, "the stream has a leader", func() bool {
		s, err := js.Stream(t.Context(), "BOREAS")
		if err == nil && s.CachedInfo().Cluster != nil {
			leader = s.CachedInfo().Cluster.Leader
		}
		return leader != ""
	})
	return leader
}

// The leader of the stream dies, ends, or hangs under load.
func TestLeaderFaults(t *testing.T) {
	needFaults(t)
	const fault = 3 * time.Second // after the load has begun
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		longer time.Duration // for which the server is away
	}{{"SIGTERM", syscall.SIGTERM, 12 * time.Second}, {"SIGKILL", syscall.SIGKILL, 15 * time.Second}, {"SIGSTOP", syscall.SIGSTOP, 5 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			servers := natstest.StartProcesses(t, 3)
			l := &load{acked: map[uint64]string{}}
			for i, s := range servers {
				// Each engine is on its own server first, and may go to the others.
				urls := []string{s.URL, servers[(i+1)%3].URL, servers[(i+2)%3].URL}
				e := open(t, cluster.Options{Servers: node(fmt.Sprint("n", i))}, urls...)
				f, _ := follow(t, e, loadChannel)
				l.engines, l.followers = append(l.engines, e), append(l.followers, f)
			}
			var urls []string
			for _, s := range servers {
				urls = append(urls, s.URL)
			}
			_, js := dial(t, urls...)
			leader := servers[slices.IndexFunc(servers, func(s *natstest.Process) bool { return s.Name == leaderOf(t, js) })]
			ctx, cancel := context.WithTimeout(t.Context(), fault+c.longer+8*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			wg.Go(func() { l.run(ctx) })
			time.Sleep(fault)
			leader.Signal(t, c.signal)
			time.Sleep(c.longer)
			if c.signal == syscall.SIGSTOP {
				leader.Signal(t, syscall.SIGCONT)
			} else {
				leader.Start(t)
			}
			wg.Wait()
			l.check(t)
			t.Logf("%d acknowledged, %d failed, the longest publish took %v", len(l.acked), len(l.failed), l.longest.Round(10*time.Millisecond))
			for i, e := range l.engines {
				t.Logf("engine %d: %+v", i, e.Status())
			}
		})
	}
}

// The leader of the stream is cut off, together with its node.
func TestMinority(t *testing.T) {
	needFaults(t)
	servers, network := natstest.StartNetwork(t, 3)
	l := &load{acked: map[uint64]string{}}
	isolated := make(chan bool, 10)
	_, js := dial(t, natstest.URLs(servers...)...)
	var leader int
	for i, s := range servers {
		// More messages than come while the node is cut off: it must miss none.
		o := cluster.Options{Servers: node(fmt.Sprint("n", i)), Messages: 100_000}
		o.Isolated = func(on bool) {
			if i == leader {
				isolated <- on
			}
		}
		e := open(t, o, s.ClientURL())
		f, _ := follow(t, e, loadChannel)
		l.engines, l.followers = append(l.engines, e), append(l.followers, f)
		if i == 0 {
			leader = slices.IndexFunc(servers, func(s *server.Server) bool { return s.Name() == leaderOf(t, js) })
		}
	}
	minority := l.engines[leader]
	majority := &load{acked: l.acked}
	for i, e := range l.engines {
		if i != leader {
			majority.engines = append(majority.engines, e)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { majority.run(ctx) })
	time.Sleep(2 * time.Second)
	network.CutOff(leader, true)
	began := time.Now()
	for n := 0; time.Since(began) < 12*time.Second; n++ {
		wg.Go(func() {
			start := time.Now()
			ack, err := minority.Publish(context.WithoutCancel(ctx), "minority", engine.Message{Data: []byte("{}")})
			if took := time.Since(start); err == nil && start.Add(took).Sub(began) < 20*time.Second {
				t.Errorf("it acknowledged %v while it was cut off", ack)
			} else if took > cluster.PublishTimeout+time.Second {
				t.Errorf("a publish took %v", took)
			}
		})
		time.Sleep(200 * time.Millisecond)
	}
	if err := minority.Ready(); err == nil {
		t.Error("the node is ready after 12 seconds without a majority")
	}
	if on := <-isolated; !on {
		t.Error("the node is told that it is not isolated")
	}
	t.Logf("isolated after %v", time.Since(began).Round(100*time.Millisecond))
	time.Sleep(time.Until(began.Add(20 * time.Second)))
	network.CutOff(leader, false)
	healed := time.Now()
	if on := <-isolated; on {
		t.Error("the node is told twice that it is isolated")
	}
	t.Logf("back %v after healing", time.Since(healed).Round(100*time.Millisecond))
	wg.Wait()
	majority.followers = l.followers
	majority.check(t)
	eventually(t, "the node is ready", func() bool { return minority.Ready() == nil })
	t.Logf("%d acknowledged, %d failed, the longest publish of the majority took %v", len(majority.acked), len(majority.failed), majority.longest.Round(10*time.Millisecond))
}

// A node starts with many kept messages.
func TestStartRate(t *testing.T) {
	needFaults(t)
	const messages, channels = 500_000, 5000
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.MaxBytes, c.MaxAge = 1<<30, time.Hour })
	text := make([]byte, 200)
	for i := range messages {
		if _, err := js.PublishAsync(fmt.Sprint("boreas.ch.c", i%channels), text); err != nil {
			t.Fatal(err)
		}
		if i%2000 == 1999 || i == messages-1 {
			<-js.PublishAsyncComplete()
		}
	}
	began := time.Now()
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a"), Age: time.Hour, Memory: 1 << 30}, urls...)
	took := time.Since(began)
	if got := e.Stats().Publications; got != messages {
		t.Errorf("%d publications are in memory, want %d", got, messages)
	}
	t.Logf("%d messages in %v: %.0f a second", messages, took.Round(time.Millisecond), messages/took.Seconds())
}
