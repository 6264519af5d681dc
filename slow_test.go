package boreas_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func TestBlockedReaderMissesNothing(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		_, slow := w.subscriber("news", "sport")
		_, other := w.subscriber("news")
		slow.Bound(13) // ends in the middle of the second message
		for i := 1; i <= 50; i++ {
			w.publish("news", fmt.Sprint(i))
			w.publish("sport", fmt.Sprint(i))
		}
		w.want(other, span("news", 1, 50)...)
		if got := w.hub.Stats().Blocked; got != 1 {
			t.Errorf("blocked: %d", got)
		}
		if got := len(slow.Taken()); got != 13 {
			t.Errorf("accepted %d bytes", got)
		}
		for range 300 { // one byte at a time, so that every place is interrupted
			slow.Bound(1)
			w.settle()
		}
		slow.Unbound()
		w.settle()
		var news, sport []string
		for _, line := range slow.Lines() {
			if strings.HasPrefix(line, "news") {
				news = append(news, line)
			} else {
				sport = append(sport, line)
			}
		}
		if got, want := strings.Join(news, "|"), strings.Join(span("news", 1, 50), "|"); got != want {
			t.Errorf("news: got %s", got)
		}
		if got, want := strings.Join(sport, "|"), strings.Join(span("sport", 1, 50), "|"); got != want {
			t.Errorf("sport: got %s", got)
		}
		if got := w.hub.Stats().Blocked; got != 0 {
			t.Errorf("still blocked: %d", got)
		}
		// The session is swept like any other again.
		w.publish("news", "51")
		w.want(other, span("news", 1, 51)...)
		if lines := slow.Lines(); lines[len(lines)-1] != "news 51 51" {
			t.Errorf("last line: %q", lines[len(lines)-1])
		}
	})
}

func TestReaderBehindTheLogIsEnded(t *testing.T) {
	engine := func() engine.Engine { return newMemory(memory.Options{Messages: 10}) }
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprintf("reads=%v", reads), func(t *testing.T) {
			// The hub's window is larger than this log. So a session falls behind only if the
			// window is full, too.
			inWorldWith(t, engine, func(w world) {
				_, slow := w.subscriber("news")
				slow.Bound(3)
				data := strings.Repeat("x", 1<<20)
				w.publish("news", "1")
				for range 9 { // the window holds 4 MiB
					w.publish("news", data)
				}
				w.pass(3 * time.Second)
				w.settle()
				if slow.Reason() != nil {
					t.Fatalf("ended while the log still had everything: %v", slow.Reason())
				}
				for range 9 {
					w.publish("news", data)
				}
				w.pass(2 * time.Second)
				w.settle()
				if got := w.hub.Stats().Ended.Slow; got != 1 {
					t.Fatalf("%d sessions ended because they were slow, want 1", got)
				}
				if reads {
					slow.Unbound()
					w.want(slow, "news 1 1", "end: reading too slowly: messages are no longer kept")
				} else {
					w.pass(10 * time.Second)
					w.settle()
				}
				if slow.Reason() != boreas.ErrSlow {
					t.Errorf("reason: %v", slow.Reason())
				}
			})
		})
	}
}

func TestReaderBehindTheWindowCatchesUp(t *testing.T) {
	engine := func() engine.Engine { return newMemory(memory.Options{Messages: 100_000}) }
	inWorldWith(t, engine, func(w world) {
		_, slow := w.subscriber("news", "sport")
		slow.Bound(3)
		w.publish("sport", "1")
		w.settle()
		const n = 20_000 // more than the window holds
		for i := 1; i <= n; i++ {
			w.publish("news", fmt.Sprint(i))
		}
		w.settle()
		slow.Unbound()
		w.want(slow, append([]string{"sport 1 1"}, span("news", 1, n)...)...)
		w.publish("news", fmt.Sprint(n+1))
		w.publish("sport", "2")
		w.settle()
		if got := len(slow.Lines()); got != n+3 {
			t.Errorf("%d lines, want %d", got, n+3)
		}
	})
}

func TestLeaveWhileBlocked(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news", "sport")
		c.Bound(3)
		w.publish("news", "1")
		w.publish("news", "2")
		w.settle()
		s.Leave("news")
		w.publish("sport", "1")
		c.Unbound()
		w.want(c, "news 1 1", "sport 1 1") // only the rest of a partly written message
	})
}

func TestEndWhileBlocked(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		c.Bound(3)
		w.publish("news", "1")
		w.publish("news", "2")
		w.settle()
		s.End(boreas.ErrShuttingDown)
		s.End(boreas.ErrSlow)
		w.settle()
		if c.Reason() != nil {
			t.Error("Finish was called before the final bytes were written")
		}
		c.Unbound()
		w.want(c, "news 1 1", "end: server is shutting down")
		if c.Reason() != boreas.ErrShuttingDown {
			t.Errorf("reason: %v", c.Reason())
		}
	})
}

func TestBusyChannelDoesNotDelayOthers(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		big := strings.Repeat("x", 70<<10) // fills a batch
		writes := 0
		c := &boreastest.Conn{OnWrite: func() {
			if writes++; writes <= 20 {
				w.publish("busy", big)
			}
			if writes == 1 {
				w.publish("quiet", "hello")
			}
		}}
		w.subscribe(c, "busy", "quiet")
		w.publish("busy", big)
		w.settle()
		if i := slices.Index(c.Lines(), "quiet 1 hello"); i < 0 || i > 4 {
			t.Errorf("the quiet channel's message came after %d of the busy channel", i)
		}
	})
}

// inWorldWith is inWorld with an engine that is created inside the bubble.
func inWorldWith(t *testing.T, engine func() engine.Engine, test func(w world)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		e := engine()
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e})}
		defer w.hub.Shutdown(t.Context(), 0)
		test(w)
	})
}

var _ boreas.Conn = (*boreastest.Conn)(nil)

// late is an engine whose Read returns publications only some time after it has delivered them.
type late struct {
	engine.Engine
	until time.Time
}

func (l *late) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, err := l.Engine.Read(ctx, channel, since, limit)
	if time.Now().Before(l.until) {
		h.Publications = nil
	}
	return h, err
}

func TestEngineLogIsBehindItsDeliveries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &late{newMemory(memory.Options{}), time.Now().Add(time.Minute)}
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e})}
		defer w.hub.Shutdown(context.Background(), 0)
		_, c := w.subscriber("news")
		c.Bound(3)
		for i := 1; i <= 5; i++ {
			w.publish("news", fmt.Sprint(i))
		}
		w.settle()
		c.Unbound()
		w.want(c, "news 1 1")
		w.pass(2 * time.Minute) // a busy loop would never let the time pass
		w.want(c, span("news", 1, 5)...)
	})
}

func TestAnswersWhileCatchingUp(t *testing.T) {
	betweenWorld(t, func(w world, between *boreastest.Between) {
		var s *boreas.Session
		between.AfterRead = func(string) { s.Send([]byte("answer\n")) }
		c := &boreastest.Conn{}
		s = w.subscribe(c, "news")
		c.Bound(3)
		for i := 1; i <= 3; i++ {
			w.publish("news", fmt.Sprint(i))
		}
		w.settle()
		c.Unbound()
		w.want(c, "news 1 1", "answer", "news 2 2", "news 3 3")
	})
}
