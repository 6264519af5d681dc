package boreas_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestScattered publishes while the only sweeper waits, so that groups stay dirty. Publications are
// scattered if most of 64 are for small channels that are not dirty yet.
func TestScattered(t *testing.T) {
	inWorld(t, boreas.Options{Sweepers: 1}, func(w world) {
		release := make(chan struct{})
		w.subscribe(&boreastest.Conn{OnWrite: func() { <-release }}, "first")
		const rooms = 200
		for i := range rooms {
			w.subscriber(fmt.Sprint(i))
		}
		next := 0
		fresh := func(n int) {
			for range n {
				w.publish(fmt.Sprint(next), "1")
				next++
			}
		}
		dirty := func(n int) {
			for range n {
				w.publish("0", "1")
			}
		}
		w.publish("first", "1")
		w.settle()
		var got []bool
		step := func() { got = append(got, boreas.Scattered(w.hub)) }
		fresh(62)
		step()
		fresh(1)
		step()
		dirty(63)
		step()
		dirty(1)
		step()
		fresh(32)
		dirty(32)
		step()
		dirty(31)
		fresh(33)
		step()
		close(release)
		w.settle()
		if diff := cmp.Diff([]bool{false, true, true, false, false, true}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestLargeChannelsAreNotScattered publishes one message after the other on one channel.
func TestLargeChannelsAreNotScattered(t *testing.T) {
	for subscribers, want := range map[int]bool{1: true, 64: true, 65: false, 300: false} {
		inWorld(t, boreas.Options{}, func(w world) {
			for range subscribers {
				w.subscriber("news")
			}
			for range 64 {
				w.publish("news", "1")
				w.settle()
			}
			if got := boreas.Scattered(w.hub); got != want {
				t.Errorf("%d subscribers: scattered %v, want %v", subscribers, got, want)
			}
		})
	}
}

// TestSessionsWithManyChannelsAreNotScattered: one write to a session delivers the publications of
// many small channels.
func TestSessionsWithManyChannelsAreNotScattered(t *testing.T) {
	inWorld(t, boreas.Options{Sweepers: 1}, func(w world) {
		release := make(chan struct{})
		w.subscribe(&boreastest.Conn{OnWrite: func() { <-release }}, "first")
		var rooms []string
		for i := range 32 {
			rooms = append(rooms, fmt.Sprint(i))
		}
		_, c := w.subscriber(rooms...)
		w.publish("first", "1")
		w.settle()
		for _, room := range rooms[1:] {
			w.publish(room, "1")
		}
		close(release)
		w.settle()
		one := func(n int) {
			for i := range n {
				w.publish(rooms[i%len(rooms)], "2")
				w.settle()
			}
		}
		one(32)
		if n := c.Writes(); n < 33 || n > 40 {
			t.Errorf("%d writes for 63 messages", n)
		}
		if boreas.Scattered(w.hub) {
			t.Error("scattered, although half of the messages were in one write")
		}
		one(64)
		if !boreas.Scattered(w.hub) {
			t.Error("not scattered, although each message had a write of its own")
		}
	})
}

// TestScatteredSweepsGoOn sweeps many rooms with one processor. Another goroutine counts how often
// the sweeper yields.
func TestScatteredSweepsGoOn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	hub := boreas.New(boreas.Options{Sweepers: 1})
	defer hub.Shutdown(context.Background(), 0)
	release := make(chan struct{})
	var turns, atFirst atomic.Int64
	const rooms, inRoom = 100, 5 // fewer writes than between two polls of the network
	var last *boreastest.Conn
	for room := range rooms {
		for i := range inRoom {
			last = new(boreastest.Conn)
			if room == 0 && i == 0 {
				last.OnWrite = func() { <-release; atFirst.Store(turns.Load()) }
			}
			s, err := last.Open(hub)
			if err != nil {
				t.Fatal(err)
			}
			s.Authenticate(boreastest.Grant("user", "user"))
			if err := join(s, fmt.Sprint(room)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for room := range rooms {
		hub.Publish(context.Background(), fmt.Sprint(room), engine.Message{Data: []byte("1")})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var other sync.WaitGroup
	other.Go(func() {
		for ctx.Err() == nil {
			turns.Add(1)
			runtime.Gosched()
		}
	})
	arrived := last.Await(fmt.Sprint(rooms - 1))
	close(release)
	<-arrived
	got := turns.Load() - atFirst.Load()
	cancel()
	other.Wait()
	if most := int64(rooms / 4); got > most {
		t.Errorf("the other goroutine ran %d times during sweeps of %d rooms, want %d or less", got, rooms, most)
	}
}
