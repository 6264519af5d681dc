package boreas_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func TestShutdownEndsSessionsWithUnwrittenFinalBytes(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		c.Bound(0)
		w.publish("news", "1")
		w.settle()
		s.End(boreas.ErrSlow) // its final bytes cannot be written
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
			t.Errorf("reason %v, final bytes written: %v", c.Reason(), c.Said())
		}
	})
}

func TestFinishReportsFinalBytes(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		s.End(boreas.ErrShuttingDown)
		w.settle()
		if !c.Said() {
			t.Error("Finish reports that the final bytes were not written")
		}
		s, c = w.subscriber("news")
		s.Lost(context.Canceled)
		if c.Said() {
			t.Error("Finish reports final bytes of a lost session")
		}
	})
}

// TestPartlyWrittenPublicationIsNotCopied blocks many readers in the middle of one large
// publication.
func TestPartlyWrittenPublicationIsNotCopied(t *testing.T) {
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
			t.Errorf("%d blocked readers of one publication of %d bytes use %d bytes", readers, size, grown)
		}
		conns[0].Unbound()
		w.want(conns[0], "news 1 "+data)
		runtime.KeepAlive(conns)
	})
}

func TestShortPongTimeout(t *testing.T) {
	o := boreas.Options{PingInterval: 64 * time.Second, PongTimeout: 100 * time.Millisecond}
	inWorld(t, o, func(w world) {
		_, c := w.subscriber()
		start := time.Now()
		<-c.Finished()
		// The first ping comes after about a minute.
		if got := time.Since(start); got > 70*time.Second {
			t.Errorf("ended after %v", got)
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

// slowStop is an engine whose stop function blocks until the test lets it return.
type slowStop struct {
	engine.Engine
	stopping, stopped chan struct{}
}

func (e *slowStop) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	head, stop, err := e.Engine.Follow(ctx, channel, to)
	return head, func() { close(e.stopping); <-e.stopped; stop() }, err
}

func TestSessionDoesNotWaitForStop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		between := &boreastest.Between{}
		e := &slowStop{newMemory(memory.Options{}), make(chan struct{}), make(chan struct{})}
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
		if s.Identity() != "" { // blocks if the session is locked while stop runs
			t.Error("the session is still authenticated")
		}
		close(e.stopped)
		w.settle()
	})
}

// TestRetentionOfRules: the engine that a hub makes for itself has the limits of the rules.
func TestRetentionOfRules(t *testing.T) {
	rules := new(boreas.Rules).Add(boreastest.Pattern("short.**"), boreas.Rule{Retention: engine.Retention{Messages: 2}})
	inBubble(t, func(t *testing.T) {
		w := world{t, boreas.New(boreas.Options{Rules: rules})}
		defer w.hub.Shutdown(context.Background(), 0)
		kept := make(map[string]int)
		for _, channel := range []string{"short.a", "long"} {
			for range 5 {
				w.publish(channel, "x")
			}
			h, err := w.hub.History(t.Context(), channel, engine.Position{}, engine.Limit{Messages: -10})
			if err != nil {
				t.Fatal(err)
			}
			kept[channel] = len(h.Publications)
		}
		if diff := cmp.Diff(map[string]int{"short.a": 2, "long": 5}, kept); diff != "" {
			t.Errorf("messages kept (-want +got):\n%s", diff)
		}
	})
}
