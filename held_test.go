package boreas_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// from opens a session from the address. Its connection accepts at most room bytes.
func (w world) from(address string, room int) (*boreas.Session, *boreastest.Conn) {
	w.Helper()
	s, err := w.hub.Reserve(netip.MustParseAddr(address))
	if err != nil {
		w.Fatal(err)
	}
	c := new(boreastest.Conn)
	if err := c.Adopt(s, nil); err != nil {
		w.Fatal(err)
	}
	s.Authenticate(boreastest.Grant("user", "u"))
	c.Bound(room)
	return s, c
}

// page returns a large answer of n bytes.
func page(n int) []byte { return append(bytes.Repeat([]byte("p"), n-1), '\n') }

// TestUnreadAnswersAreBounded requests pages for sessions that do not read: first from one address,
// then from many.
func TestUnreadAnswersAreBounded(t *testing.T) {
	const size = 256 << 10
	inWorld(t, boreas.Options{PeerMemory: 8 << 20}, func(w world) {
		ask := func(address string) error {
			s, _ := w.from(address, 1000)
			err := s.Reserve(context.Background(), size)
			if err == nil {
				s.Send(page(size))
			}
			return err
		}
		granted := 0
		var last error
		for range 20 {
			if last = ask("192.0.2.1"); last == nil {
				granted++
			}
		}
		if granted != 4 { // an eighth of 8 MiB
			t.Errorf("%d sessions of one address have an unread page, want 4", granted)
		}
		if !errors.Is(last, boreas.ErrPeerMemory) || !strings.Contains(last.Error(), "address") {
			t.Errorf("the next session: %v", last)
		}
		for i := range 100 {
			if last = ask(fmt.Sprintf("198.51.100.%d", i)); last == nil {
				granted++
			}
		}
		if granted != 28 { // an eighth of the memory is reserved for backends
			t.Errorf("%d sessions have an unread page, want 28", granted)
		}
		stats := w.hub.Stats().Held
		if stats.Bytes > stats.Max || stats.Answer < 27*size {
			t.Errorf("held: %+v", stats)
		}
		if stats.Refused.Address != 16 || stats.Refused.All != 76 {
			t.Errorf("refused: %+v", stats.Refused)
		}
	})
}

// TestClientsLeaveRoomToBackends has clients use up all their memory, also from a backend's
// address. A backend still gets memory.
func TestClientsLeaveRoomToBackends(t *testing.T) {
	const kib = 1 << 10
	inWorld(t, boreas.Options{PeerMemory: 8 << 20}, func(w world) {
		backend := netip.MustParseAddr("192.0.2.7")
		client := func(address string) error {
			return w.hub.Held(boreas.HeldAnswer, netip.MustParseAddr(address), "").Set(512 * kib)
		}
		granted := 0
		for i := range 40 {
			if client(fmt.Sprintf("192.0.2.%d", i%10)) == nil {
				granted++
			}
		}
		if granted != 14 { // seven eighths of 8 MiB
			t.Errorf("clients hold 512 KiB %d times, want 14", granted)
		}
		call := w.hub.HeldForBackend(boreas.HeldRequest, backend)
		if err := call.Set(1000 * kib); err != nil {
			t.Errorf("a backend: %v", err)
		}
		other := w.hub.HeldForBackend(boreas.HeldRequest, backend)
		if err := other.Set(100 * kib); !errors.Is(err, boreas.ErrPeerMemory) || !strings.Contains(err.Error(), "address") {
			t.Errorf("the same backend: %v", err)
		}
		call.Keep(0)
		if err := client("198.51.100.1"); !errors.Is(err, boreas.ErrPeerMemory) {
			t.Errorf("a client got memory that is reserved for backends: %v", err)
		}
	})
}

// TestLargeAnswerFitsWhenNothingElseIsHeld requests more than all clients together may hold.
func TestLargeAnswerFitsWhenNothingElseIsHeld(t *testing.T) {
	inWorld(t, boreas.Options{PeerMemory: 1 << 20}, func(w world) {
		large := w.hub.Held(boreas.HeldAnswer, netip.Addr{}, "")
		if err := large.Set(1000 << 10); err != nil {
			t.Error(err)
		}
		if err := large.Set(1001 << 10); err != nil {
			t.Errorf("a little more: %v", err)
		}
	})
}

// TestEndedSessionsHoldNothing ends sessions in each state in which they hold bytes.
func TestEndedSessionsHoldNothing(t *testing.T) {
	inWorld(t, boreas.Options{PeerMemory: 8 << 20}, func(w world) {
		unread, _ := w.from("192.0.2.1", 1000)
		unread.Send(page(256 << 10))
		reserved, _ := w.from("192.0.2.2", 0)
		if err := reserved.Reserve(context.Background(), 100<<10); err != nil {
			t.Fatal(err)
		}
		cut, _ := w.from("192.0.2.3", 1000)
		w.join(cut, "news")
		w.publish("news", strings.Repeat("x", 100<<10))
		read, conn := w.from("192.0.2.4", 1000)
		read.Send(page(256 << 10))
		w.settle()
		held := w.hub.Stats().Held
		if held.Answer < (2*255+100)<<10 || held.Message < 100<<10 {
			t.Errorf("held: %+v", held)
		}
		conn.Unbound()
		w.settle()
		unread.End(boreas.ErrTerminated)
		cut.Lost(engine.ErrClosed)
		reserved.Lost(engine.ErrClosed)
		w.pass(10 * time.Second) // the final bytes of the first session wait for half of that
		if held := w.hub.Stats().Held; held.Bytes != 0 {
			t.Errorf("held: %+v", held)
		}
	})
}

// TestRequestWaitsForMemory reads the answer that uses all the memory while another session waits.
func TestRequestWaitsForMemory(t *testing.T) {
	inWorld(t, boreas.Options{PeerMemory: 8 << 20}, func(w world) {
		first, conn := w.from("192.0.2.1", 0)
		first.Send(page(900 << 10))
		second, _ := w.from("192.0.2.1", 0)
		got := make(chan error)
		go func() { got <- second.Reserve(context.Background(), 200<<10) }()
		w.pass(3 * time.Second)
		if held := w.hub.Stats().Held; held.Waiting != 1 {
			t.Fatalf("held: %+v", held)
		}
		conn.Unbound()
		if err := <-got; err != nil {
			t.Error(err)
		}
		second.Unreserve()
		if held := w.hub.Stats().Held; held.Bytes != 0 || held.Refused.Address != 0 {
			t.Errorf("held: %+v", held)
		}
	})
}

// TestEndedSessionStopsWaiting ends a session that waits for memory.
func TestEndedSessionStopsWaiting(t *testing.T) {
	inWorld(t, boreas.Options{PeerMemory: 8 << 20}, func(w world) {
		first, _ := w.from("192.0.2.1", 0)
		first.Send(page(900 << 10))
		second, _ := w.from("192.0.2.1", 0)
		got := make(chan error)
		go func() { got <- second.Reserve(context.Background(), 200<<10) }()
		w.settle()
		start := time.Now()
		second.End(boreas.ErrTerminated)
		if err := <-got; err == nil || time.Since(start) > 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// TestFirstAnswerMayExceedTheShare requests an answer larger than the share of the address.
func TestFirstAnswerMayExceedTheShare(t *testing.T) {
	inWorld(t, boreas.Options{PeerMemory: 8 << 20}, func(w world) {
		s, c := w.from("192.0.2.1", 0)
		if err := s.Reserve(context.Background(), 2<<20); err != nil {
			t.Fatal(err)
		}
		s.Send(page(2 << 20))
		s.Send(page(10 << 10)) // over the share of a session
		w.settle()
		if got := w.hub.Stats().Ended.PeerMemory; got != 1 {
			t.Errorf("%d sessions ended, want 1", got)
		}
		c.Unbound()
		<-c.Finished()
		if !errors.Is(c.Reason(), boreas.ErrPeerMemory) {
			t.Errorf("reason: %v", c.Reason())
		}
	})
}

// TestUnreadAnswerIsNotWrittenAgain counts the writes to connections that accept nothing. Each
// write would copy the waiting bytes.
func TestUnreadAnswerIsNotWrittenAgain(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.from("192.0.2.1", 1000)
		s.Send(page(256 << 10))
		_, cut := w.subscriber("news")
		cut.Bound(10)
		w.publish("news", strings.Repeat("x", 100<<10))
		w.settle()
		before := c.Writes() + cut.Writes()
		w.pass(time.Minute)
		if got := c.Writes() + cut.Writes() - before; got > 0 {
			t.Errorf("%d writes in a minute", got)
		}
		c.Unbound()
		w.settle()
		if got := len(c.Taken()); got != 256<<10 {
			t.Errorf("%d bytes were written", got)
		}
	})
}

// TestPageIsCopiedOnce measures the memory of pages that connections accept in parts.
func TestPageIsCopiedOnce(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.from("192.0.2.1", 0)
		s.Send(page(4 << 20))
		w.settle()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 100 {
			c.Bound(4 << 10)
			w.settle()
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
			t.Errorf("%d MiB allocated to write 400 KiB", got>>20)
		}
	})
}

// TestPartlyWrittenMessagesAreBounded has each session of an address accept only a part of a
// different large message. The log drops these messages, so only the sessions hold them.
func TestPartlyWrittenMessagesAreBounded(t *testing.T) {
	engine := func() engine.Engine { return newMemory(memory.Options{Messages: 1}) }
	inBubble(t, func(t *testing.T) {
		e := engine()
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e, PeerMemory: 8 << 20})}
		defer w.hub.Shutdown(t.Context(), 0)
		const size = 200 << 10
		live := func() (n int) { return w.hub.Stats().Authenticated }
		for i := range 20 {
			s, _ := w.from("192.0.2.1", 100)
			w.join(s, fmt.Sprint("c", i))
			w.publish(fmt.Sprint("c", i), strings.Repeat("x", size))
			w.settle()
		}
		if got := live(); got != 5 { // an eighth of 8 MiB
			t.Errorf("%d sessions hold a message, want 5", got)
		}
		// The same message for many sessions is counted once.
		for range 20 {
			s, _ := w.from("192.0.2.2", 100)
			w.join(s, "same")
		}
		w.publish("same", strings.Repeat("x", size))
		w.settle()
		if got := live(); got != 25 {
			t.Errorf("%d sessions remain, want 25", got)
		}
		if held := w.hub.Stats().Held; held.Message != 6*size || held.Refused.Address != 15 {
			t.Errorf("held: %+v", held)
		}
	})
}

// TestMemoryGrantedAsTheSessionEndsIsReleased gives a waiting session its memory after the session
// has ended, but before the waiting goroutine notices the end.
func TestMemoryGrantedAsTheSessionEndsIsReleased(t *testing.T) {
	const size = 200 << 10
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the other goroutine runs only while this one waits
	inWorld(t, boreas.Options{PeerMemory: 2 << 20}, func(w world) {
		first, _ := w.from("192.0.2.1", 1000)
		if err := first.Reserve(context.Background(), size); err != nil {
			t.Fatal(err)
		}
		second, _ := w.from("192.0.2.1", 1000)
		got := make(chan error, 1)
		go func() { got <- second.Reserve(context.Background(), size) }()
		w.settle()
		second.Lost(errors.New("gone"))
		first.Unreserve()
		<-got
		if held := w.hub.Stats().Held; held.Bytes != 0 {
			t.Errorf("still held: %+v", held)
		}
	})
}
