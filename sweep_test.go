package boreas_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/boreastest"
)

// TestABigChannelIsSweptByManyAtOnce holds a write to one subscriber up until
// another one, far away in the same channel, has been written to.
func TestABigChannelIsSweptByManyAtOnce(t *testing.T) {
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
			t.Error("one sweeper waits, and no other took what was left")
			close(far)
		}
	})
}

// TestASweepLetsOthersRun sweeps with one processor, where a goroutine that only
// counts gets on as often as the sweeper yields.
func TestASweepLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	hub := boreas.New(boreas.Options{Sweepers: 1})
	defer hub.Shutdown(context.Background(), 0)
	var turns, atFirst atomic.Int64
	var last *boreastest.Conn
	const subscribers = 1000
	for i := range subscribers {
		c := new(boreastest.Conn)
		if i == 0 {
			c.OnWrite = func() { atFirst.Store(turns.Load()) }
		}
		s, err := c.Open(hub)
		if err != nil {
			t.Fatal(err)
		}
		s.Authenticate("user")
		s.Join("news")
		last = c
	}
	ctx, cancel := context.WithCancel(context.Background())
	var other sync.WaitGroup
	other.Go(func() {
		for ctx.Err() == nil {
			turns.Add(1)
			runtime.Gosched()
		}
	})
	arrived := last.Await("news")
	hub.Publish(context.Background(), "news", []byte("1"))
	<-arrived
	got := turns.Load() - atFirst.Load()
	cancel()
	other.Wait()
	if want := int64(subscribers / 32); got < want {
		t.Errorf("the other goroutine ran %d times during a sweep of %d writes, want %d or more", got, subscribers, want)
	}
}
