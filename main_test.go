package boreas_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a test with a hub and helpers that act on it. It is used inside a synctest bubble.
type world struct {
	*testing.T
	hub *boreas.Hub
}

// inWorld runs a test with a new hub inside a synctest bubble, where time is simulated.
func inWorld(t *testing.T, o boreas.Options, test func(w world)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		if sparseSuite && o.Engine == nil {
			e := newMemory(memory.Options{})
			defer e.Close()
			o.Engine = e
		}
		w := world{t, boreas.New(o)}
		defer w.hub.Shutdown(context.Background(), 0)
		test(w)
	})
}

func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	sparseNow = false
	synctest.Test(t, test)
}

func (w world) settle() { synctest.Wait() }

func (w world) publish(channel, data string) {
	w.Helper()
	if _, err := w.hub.Publish(context.Background(), channel, engine.Message{Data: []byte(data)}); err != nil {
		w.Fatalf("publish %q on %q: %v", data, channel, err)
	}
}

// subscriber opens an authenticated session on the channels.
func (w world) subscriber(channels ...string) (*boreas.Session, *boreastest.Conn) {
	w.Helper()
	c := new(boreastest.Conn)
	return w.subscribe(c, channels...), c
}

func (w world) subscribe(c *boreastest.Conn, channels ...string) *boreas.Session {
	w.Helper()
	s, err := c.Open(w.hub)
	if err != nil {
		w.Fatalf("open: %v", err)
	}
	s.Authenticate(boreastest.Grant("user", "u"))
	for _, ch := range channels {
		w.join(s, ch)
	}
	return s
}

func (w world) join(s *boreas.Session, channel string) {
	w.Helper()
	if err := join(s, channel); err != nil {
		w.Fatalf("join %q: %v", channel, err)
	}
}

func join(s *boreas.Session, channel string) error {
	return s.Join(context.Background(), []boreas.Join{{Channel: channel}}, nil)[0].Err
}

// want waits until the bubble is idle, and compares all lines that the connection has received.
func (w world) want(c *boreastest.Conn, lines ...string) {
	w.Helper()
	w.settle()
	for i, line := range lines {
		lines[i] = sparseLine(line)
	}
	if got := c.Lines(); !slices.Equal(got, lines) {
		w.Errorf("lines:\n got %s\nwant %s", strings.Join(got, " | "), strings.Join(lines, " | "))
	}
}

// span returns the lines "channel i i" for each i from first to last.
func span(channel string, first, last int) []string {
	var lines []string
	for i := first; i <= last; i++ {
		lines = append(lines, fmt.Sprintf("%s %d %d", channel, i, i))
	}
	return lines
}

// pass lets simulated time pass.
func (w world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// heapInUse returns the number of bytes of the heap in use after a garbage collection.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // the first run only empties the pools
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
