package boreas_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestChannelIsSweptInParallel blocks the write to one subscriber until another one, in another
// group of the same channel, has been written to.
func TestChannelIsSweptInParallel(t *testing.T) {
	inWorld(t, boreas.Options{Sweepers: 2}, func(w world) {
		var once sync.Once
		far := make(chan struct{})
		w.subscribe(&boreastest.Conn{OnWrite: func() { <-far }}, "news")
		for range 600 {
			w.subscriber("news")
		}
		w.subscribe(&boreastest.Conn{OnWrite: func() { once.Do(func() { close(far) }) }}, "news")
		w.publish("news", "1")
		w.settle()
		select {
		case <-far:
		default:
			t.Error("one sweeper is blocked, and no other swept the other groups")
			close(far)
		}
	})
}

// crowd opens n sessions on the channel "news". It calls onFirst at each write to the first
// session, and returns the connection of the last.
func crowd(t *testing.T, hub *boreas.Hub, n int, onFirst func()) (last *boreastest.Conn) {
	t.Helper()
	for i := range n {
		last = new(boreastest.Conn)
		if i == 0 {
			last.OnWrite = onFirst
		}
		s, err := last.Open(hub)
		if err != nil {
			t.Fatal(err)
		}
		s.Authenticate(boreastest.Grant("user", "user"))
		if err := join(s, "news"); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// TestSweepLetsOthersRun sweeps with one processor. Another goroutine counts how often the sweeper
// yields.
func TestSweepLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	hub := boreas.New(boreas.Options{Sweepers: 1})
	defer hub.Shutdown(context.Background(), 0)
	var turns, atFirst atomic.Int64
	const subscribers = 1000
	last := crowd(t, hub, subscribers, func() { atFirst.Store(turns.Load()) })
	ctx, cancel := context.WithCancel(context.Background())
	var other sync.WaitGroup
	other.Go(func() {
		for ctx.Err() == nil {
			turns.Add(1)
			runtime.Gosched()
		}
	})
	arrived := last.Await("news")
	hub.Publish(context.Background(), "news", engine.Message{Data: []byte("1")})
	<-arrived
	got := turns.Load() - atFirst.Load()
	cancel()
	other.Wait()
	if want := int64(subscribers / 32); got < want {
		t.Errorf("the other goroutine ran %d times during a sweep of %d writes, want %d or more", got, subscribers, want)
	}
}

// TestWaitsCountAsPolls: a sweeper that has waited for work begins to count its writes anew.
func TestWaitsCountAsPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := boreas.WritesAfter(500, false); got != 500 {
			t.Errorf("without a wait: %d writes, want 500", got)
		}
		if got := boreas.WritesAfter(500, true); got != 0 {
			t.Errorf("after a wait: %d writes, want 0", got)
		}
	})
}

// TestLongBacklogIsEncodedOnce: while the only sweeper waits, more messages arrive than fit in one
// write. All sessions share the bytes of each write.
func TestLongBacklogIsEncodedOnce(t *testing.T) {
	inWorld(t, boreas.Options{Sweepers: 1}, func(w world) {
		f := newTagged("a ")
		release := make(chan struct{})
		var conns []*boreastest.Conn
		for i := range 10 {
			c := &boreastest.Conn{Form: f}
			if i == 0 {
				c.OnWrite = func() { <-release }
			}
			w.subscribe(c, "news")
			conns = append(conns, c)
		}
		w.publish("news", "1")
		w.settle()
		want := []string{"news 1 1"}
		for i := 2; i <= 21; i++ {
			text := fmt.Sprint(i, strings.Repeat("x", 10_000))
			w.publish("news", text)
			want = append(want, fmt.Sprintf("news %d %s", i, text))
		}
		close(release)
		w.settle()
		for i, c := range conns {
			if diff := cmp.Diff(f.with(sparseLines(want)), c.Lines()); diff != "" {
				t.Errorf("session %d (-want +got):\n%.1000s", i, diff)
			}
		}
		if got := f.encoded.Load(); got != 21 {
			t.Errorf("21 messages were encoded %d times", got)
		}
	})
}

// TestSweepPollsTheNetwork sweeps with one processor, while a connection in the same process
// exchanges bytes in a loop. Without help the scheduler polls the network only every ten
// milliseconds, and this sweep takes less.
func TestSweepPollsTheNetwork(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	hub := boreas.New(boreas.Options{Sweepers: 1})
	defer hub.Shutdown(context.Background(), 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var answers, before atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(far, far) })
	wg.Go(func() {
		for b := []byte{0}; ; answers.Add(1) {
			near.Write(b)
			if _, err := io.ReadFull(near, b); err != nil {
				far.Close()
				return
			}
		}
	})
	const subscribers = 10_000
	last := crowd(t, hub, subscribers, func() { before.Store(answers.Load()) })
	arrived := last.Await("news")
	hub.Publish(context.Background(), "news", engine.Message{Data: []byte("1")})
	<-arrived
	got := answers.Load() - before.Load()
	near.Close()
	wg.Wait()
	if want := int64(subscribers / 512 / 4); got < want {
		t.Errorf("%d answers arrived during a sweep of %d writes, want %d or more", got, subscribers, want)
	}
}
