package nodes

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Goroutines()...) }

// network carries the messages of several nodes in the process of a test.
type network struct {
	mu    sync.Mutex
	buses []*fakeBus

	// fate returns how often a message reaches a node, which is named by its subscriber. Nil: once.
	fate func(to, subject string) int
}

// fakeBus is the connection of one node to a network.
type fakeBus struct {
	network *network
	node    string
	payload int

	mu     sync.Mutex // guards the fields below
	subs   []*fakeSub
	closed bool
	done   sync.WaitGroup
}

type fakeSub struct {
	pattern []string
	deliver func(subject string, data []byte)
	queue   chan [2]string
}

func (n *network) bus(node string) *fakeBus {
	b := &fakeBus{network: n, node: node, payload: 1 << 20}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buses = append(n.buses, b)
	return b
}

func (b *fakeBus) publish(subject string, data []byte) error {
	if len(data) > b.payload {
		return errors.New("maximum payload exceeded")
	}
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return errors.New("closed")
	}
	b.network.mu.Lock()
	defer b.network.mu.Unlock()
	for _, to := range b.network.buses {
		times := 1
		if b.network.fate != nil {
			times = b.network.fate(to.node, subject)
		}
		for range times {
			to.take(subject, data)
		}
	}
	return nil
}

func (b *fakeBus) take(subject string, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		if !b.closed && matches(s.pattern, strings.Split(subject, ".")) {
			s.queue <- [2]string{subject, string(data)}
		}
	}
}

func matches(pattern, subject []string) bool {
	if len(pattern) != len(subject) {
		return false
	}
	for i := range pattern {
		if pattern[i] != "*" && pattern[i] != subject[i] {
			return false
		}
	}
	return true
}

func (b *fakeBus) subscribe(subject string, deliver func(subject string, data []byte)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &fakeSub{strings.Split(subject, "."), deliver, make(chan [2]string, 10_000)}
	b.subs = append(b.subs, s)
	b.done.Go(func() {
		for m := range s.queue {
			s.deliver(m[0], []byte(m[1]))
		}
	})
	return nil
}

func (b *fakeBus) flush(context.Context) error { return nil }
func (b *fakeBus) maxPayload() int             { return b.payload }

// close also serves a test as the crash of a node: the node is not heard any more.
func (b *fakeBus) close() {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		for _, s := range b.subs {
			close(s.queue)
		}
	}
	b.mu.Unlock()
	b.done.Wait()
}

// town is a test with a few nodes on one network, in a bubble of simulated time.
type town struct {
	*testing.T
	network *network
	logs    map[*Group]*testlog.Buffer
}

func inTown(t *testing.T, test func(t *testing.T, w town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, town{t, new(network), make(map[*Group]*testlog.Buffer)})
	})
}

func (w town) options(name string) (Options, *testlog.Buffer) {
	log, text := testlog.New()
	return Options{Servers: natsconn.Options{Node: name}, Version: "1.2.3", Log: log}, text
}

// open opens a node and closes it at the end of the test.
func (w town) open(name string) *Group {
	w.Helper()
	o, text := w.options(name)
	g, err := open(w.Context(), o, w.network.bus(name))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(g.Close)
	w.logs[g] = text
	synctest.Wait() // the others have heard its first beat
	return g
}

// crash ends a node without a goodbye.
func (w town) crash(g *Group) { g.bus.close() }

// settle lets the time pass.
func (w town) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// logged checks that the log of a node has a record with these words that often.
func (w town) logged(g *Group, times int, words string) {
	w.Helper()
	if got := strings.Count(w.logs[g].String(), words); got != times {
		w.Errorf("the log has %d times %q, want %d:\n%s", got, words, times, w.logs[g])
	}
}
