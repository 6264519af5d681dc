package boreas_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/boreastest"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/engine/memory"
)

func TestShutdownEndsWhoIsStillSayingGoodbye(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		c.Bound(0)
		w.publish("news", "1")
		w.settle()
		s.End(boreas.ErrSlow) // its last words cannot go out
		start := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := w.hub.Shutdown(ctx, 0); err != context.Canceled {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Shutdown took %v longer than it may", took)
		}
		if c.Reason() != boreas.ErrSlow || c.Said() {
			t.Errorf("reason %v, last words out: %v", c.Reason(), c.Said())
		}
	})
}

func TestLastWordsThatAreOut(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		s.End(boreas.ErrShuttingDown)
		w.settle()
		if !c.Said() {
			t.Error("the last words were out, and the transport was told otherwise")
		}
		s, c = w.subscriber("news")
		s.Lost(context.Canceled)
		if c.Said() {
			t.Error("a lost session had no last words")
		}
	})
}

// TestACutPublicationIsNotCopied blocks many readers in the middle of one large
// publication.
func TestACutPublicationIsNotCopied(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		const readers, size = 200, 1 << 20
		var conns []*boreastest.Conn
		for range readers {
			_, c := w.subscriber("news")
			c.Bound(10)
			conns = append(conns, c)
		}
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		data := strings.Repeat("x", size)
		w.publish("news", data)
		w.settle()
		if grown := heap() - before; grown > readers*size/10 {
			t.Errorf("%d blocked readers of one publication of %d bytes hold %d", readers, size, grown)
		}
		conns[0].Unbound()
		w.want(conns[0], "news 1 "+data)
		runtime.KeepAlive(conns)
	})
}

func TestAShortPongTimeoutIsNotTheLongest(t *testing.T) {
	o := boreas.Options{PingInterval: 64 * time.Second, PongTimeout: 100 * time.Millisecond}
	inWorld(t, o, func(w world) {
		_, c := w.subscriber()
		start := time.Now()
		<-c.Finished()
		// Pinged in its first turn that is not too early, after a minute or so.
		if got := time.Since(start); got > 70*time.Second {
			t.Errorf("given up after %v", got)
		}
	})
}

func TestAnonymousAgain(t *testing.T) {
	inWorld(t, boreas.Options{AnonymousTimeout: time.Minute}, func(w world) {
		s, c := w.subscriber()
		w.pass(time.Hour)
		s.Deauthenticate()
		w.pass(59 * time.Second)
		w.want(c)
		s.Authenticate(boreastest.Grant("user", "user"))
		w.pass(time.Hour)
		w.want(c)
		s.Deauthenticate()
		w.pass(62 * time.Second)
		w.want(c, "end: not authenticated in time")
	})
}

// slowStop is an engine that takes its time to stop following.
type slowStop struct {
	engine.Engine
	stopping, stopped chan struct{}
}

func (e *slowStop) Follow(ctx context.Context, channel string, deliver func(*engine.Publication)) (engine.Position, func(), error) {
	head, stop, err := e.Engine.Follow(ctx, channel, deliver)
	return head, func() { close(e.stopping); <-e.stopped; stop() }, err
}

func TestASessionDoesNotWaitForTheEngineToStop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		between := &boreastest.Between{}
		e := &slowStop{memory.New(memory.Options{}), make(chan struct{}), make(chan struct{})}
		between.Engine = e
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: between})}
		defer w.hub.Shutdown(context.Background(), 0)
		s, _ := w.subscriber()
		between.AfterFollow = func(string) { s.Deauthenticate() } // so that the join fails
		go func() {
			if err := join(s, "news"); err != access.ErrAnonymous {
				t.Errorf("join: %v", err)
			}
		}()
		<-e.stopping
		if s.Identity() != "" { // hangs, if the session is locked meanwhile
			t.Error("still authenticated")
		}
		close(e.stopped)
		w.settle()
	})
}
