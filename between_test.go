package boreas_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// The tests below publish at each step of a join or a delivery. Every publication must arrive once
// and in order, at whichever step it is published.

// betweenWorld runs a test with a hub on a [boreastest.Between] over a new memory engine.
func betweenWorld(t *testing.T, test func(w world, between *boreastest.Between)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		between := &boreastest.Between{Engine: newMemory(memory.Options{Messages: 100_000})}
		defer between.Close()
		w := world{t, boreas.New(boreas.Options{Engine: between, Sweepers: 2})}
		defer w.hub.Shutdown(context.Background(), 0)
		test(w, between)
	})
}

// inOrder checks that the lines are those of consecutive publications up to last, without gaps and
// duplicates.
func inOrder(t *testing.T, lines []string, last int) {
	t.Helper()
	first := last - len(lines) + 1
	if len(lines) == 0 || !slices.Equal(lines, sparseLines(span("news", first, last))) {
		t.Errorf("up to %d: got %v", last, lines)
	}
}

func TestPublishDuringJoin(t *testing.T) {
	betweenWorld(t, func(w world, between *boreastest.Between) {
		n := 0
		next := func(string) { n++; w.publish("news", fmt.Sprint(n)) }
		between.BeforeFollow, between.AfterFollow = next, next
		_, c := w.subscriber("news")
		if n != 2 {
			t.Fatalf("published %d times during the join, want 2", n)
		}
		next("")
		w.settle()
		inOrder(t, c.Lines(), 3)
	})
}

func TestPublishDuringEachStepOfDelivery(t *testing.T) {
	betweenWorld(t, func(w world, _ *boreastest.Between) {
		n, left := 0, 20
		next := func() { n++; w.publish("news", fmt.Sprint(n)) }
		during := func() {
			if left > 0 {
				left--
				next()
			}
		}
		a := &boreastest.Conn{OnWrite: during}
		w.subscribe(a, "news")
		_, b := w.subscriber("news")
		w.subscriber("news", "sport")
		next()
		w.settle()
		if n != 21 {
			t.Fatalf("published %d times, want 21", n)
		}
		w.want(a, span("news", 1, 21)...)
		w.want(b, span("news", 1, 21)...)
	})
}

// TestPublishWhileABlockedReaderResumes publishes at each write and each read of the log while a
// reader catches up.
func TestPublishWhileABlockedReaderResumes(t *testing.T) {
	for _, step := range []string{"write", "before read", "after read", "all"} {
		t.Run(step, func(t *testing.T) {
			betweenWorld(t, func(w world, between *boreastest.Between) {
				n, left := 0, 0
				next := func() { n++; w.publish("news", fmt.Sprint(n)) }
				during := func() {
					if left > 0 {
						left--
						next()
					}
				}
				c := &boreastest.Conn{}
				if step == "write" || step == "all" {
					c.OnWrite = during
				}
				if step == "before read" || step == "all" {
					between.BeforeRead = func(string) { during() }
				}
				if step == "after read" || step == "all" {
					between.AfterRead = func(string) { during() }
				}
				w.subscribe(c, "news")
				c.Bound(5)
				for range 600 { // more than one read of the log
					next()
				}
				w.settle()
				left = 10
				for range 50 {
					c.Bound(7)
					w.settle()
				}
				c.Unbound()
				w.settle()
				if left > 0 {
					t.Fatalf("%d publications were not made: the step is not reached", left)
				}
				next()
				w.want(c, span("news", 1, n)...)
			})
		})
	}
}

func TestLeaveAndEndDuringDelivery(t *testing.T) {
	for name, act := range map[string]func(*boreas.Session){
		"leave":          func(s *boreas.Session) { s.Leave("news") },
		"end":            func(s *boreas.Session) { s.End(io.EOF) },
		"lost":           func(s *boreas.Session) { s.Lost(io.EOF) },
		"deauthenticate": func(s *boreas.Session) { s.Deauthenticate() },
		"rejoin":         func(s *boreas.Session) { s.Leave("news"); join(s, "news") },
	} {
		t.Run(name, func(t *testing.T) {
			betweenWorld(t, func(w world, between *boreastest.Between) {
				var s *boreas.Session
				once := true
				between.AfterRead = func(string) {
					if once {
						once = false
						act(s)
					}
				}
				c := &boreastest.Conn{}
				s = w.subscribe(c, "news")
				_, other := w.subscriber("news")
				c.Bound(8)
				for i := 1; i <= 5; i++ {
					w.publish("news", fmt.Sprint(i))
				}
				w.settle()
				c.Unbound()
				w.settle()
				w.publish("news", "6")
				w.want(other, span("news", 1, 6)...)
				lines := c.Lines()
				if once {
					t.Fatal("the step was not reached")
				}
				if i := slices.Index(lines, "news 3 3"); i >= 0 {
					t.Errorf("line %d was delivered after %s: %q", i, name, lines)
				}
				if got := slices.Contains(lines, "news 6 6"); got != (name == "rejoin") {
					t.Errorf("received the last publication: %v (%q)", got, lines)
				}
			})
		})
	}
}

func TestFollowFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := newMemory(memory.Options{})
		w := world{t, boreas.New(boreas.Options{Engine: e})}
		defer w.hub.Shutdown(context.Background(), 0)
		s, _ := w.subscriber()
		e.Close()
		if err := join(s, "news"); err != engine.ErrClosed {
			t.Errorf("join: %v", err)
		}
		if n := boreas.ChannelsHeld(w.hub); n != 0 {
			t.Errorf("%d channels left behind", n)
		}
		if _, err := w.hub.Publish(context.Background(), "news", engine.Message{}); err != engine.ErrClosed {
			t.Errorf("publish: %v", err)
		}
	})
}

// TestPublishWhileAnotherGroupIsSwept publishes between the sweeps of two groups that share a
// sweeper, with an engine that keeps no history.
func TestPublishWhileAnotherGroupIsSwept(t *testing.T) {
	engine := func() engine.Engine { return newMemory(memory.Options{Messages: -1}) }
	inBubble(t, func(t *testing.T) {
		e := engine()
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e, Sweepers: 1})}
		defer w.hub.Shutdown(context.Background(), 0)
		var mu sync.Mutex // sessions write at the same time
		n := 0
		next := func() {
			mu.Lock()
			defer mu.Unlock()
			if n < 200 {
				n++
				w.publish("news", fmt.Sprint(n))
			}
		}
		var conns []*boreastest.Conn
		for i := range 600 {
			c := &boreastest.Conn{}
			if i%200 == 0 { // one or more in each group
				c.OnWrite = func() {
					if n < 20 {
						next()
					}
				}
			}
			w.subscribe(c, "news")
			conns = append(conns, c)
		}
		next()
		for _, c := range conns {
			w.want(c, span("news", 1, 20)...)
		}
	})
}

// irregular is an engine whose offsets have irregular gaps: 1, 3, 4, 6, 7, 9...
type irregular struct {
	engine.Engine
	following int
}

func (*irregular) widen(p *engine.Position) { p.Offset += p.Offset / 2 }

func (e *irregular) widenAll(pubs []*engine.Publication) []*engine.Publication {
	var wide []*engine.Publication
	for _, p := range pubs {
		wide = append(wide, &engine.Publication{Offset: p.Offset + p.Offset/2, Time: p.Time, Data: p.Data, Sender: p.Sender})
	}
	return wide
}

func (e *irregular) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	ack, err := e.Engine.Publish(ctx, channel, m)
	e.widen(&ack.Position)
	return ack, err
}

func (e *irregular) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	e.following++
	head, stop, err := e.Engine.Follow(ctx, channel, boreastest.DeliverFunc(func(p *engine.Publication) {
		to.Deliver(e.widenAll([]*engine.Publication{p})[0])
	}))
	e.widen(&head)
	return head, func() { e.following--; stop() }, err
}

func (e *irregular) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	bounds, _ := e.Engine.Read(ctx, channel, engine.Position{}, engine.Limit{})
	last := bounds.Head
	e.widen(&last)
	if since.Offset > last.Offset {
		since.Offset = bounds.Head.Offset + 1
	} else {
		since.Offset = (2*since.Offset + 1) / 3 // the last publication at or before the offset
	}
	switch {
	case limit.Before == 0, limit.Before == math.MaxUint64:
	case limit.Before > last.Offset:
		limit.Before = bounds.Head.Offset + 1
	default:
		limit.Before = (2*(limit.Before-1)+1)/3 + 1
	}
	h, err := e.Engine.Read(ctx, channel, since, limit)
	h.Publications = e.widenAll(h.Publications)
	e.widen(&h.Floor)
	e.widen(&h.Head)
	return h, err
}

// Purge implements [engine.Purger].
func (e *irregular) Purge(ctx context.Context, channel string) (engine.Position, error) {
	at, err := e.Engine.(engine.Purger).Purge(ctx, channel)
	e.widen(&at)
	return at, err
}

func TestOffsetsWithGaps(t *testing.T) {
	t.Run("engine", func(t *testing.T) {
		boreastest.TestEngine(t, func(*testing.T) engine.Engine {
			return &irregular{Engine: newMemory(memory.Options{})}
		})
	})
	inBubble(t, func(t *testing.T) {
		e := &irregular{Engine: newMemory(memory.Options{})}
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e, Sweepers: 1})}
		defer w.hub.Shutdown(context.Background(), 0)
		var mu sync.Mutex // sessions write at the same time
		n := 0
		next := func() {
			mu.Lock()
			defer mu.Unlock()
			if n < 200 {
				n++
				w.publish("news", fmt.Sprint(n))
			}
		}
		var sessions []*boreas.Session
		var conns []*boreastest.Conn
		for range 3 {
			c := &boreastest.Conn{OnWrite: func() {
				for range 3 {
					next()
				}
			}}
			sessions, conns = append(sessions, w.subscribe(c, "news")), append(conns, c)
		}
		conns[0].Bound(40)
		next()
		w.settle()
		conns[0].Unbound()
		w.settle()
		for _, c := range conns {
			var got []string
			for _, line := range c.Lines() {
				got = append(got, line[strings.LastIndex(line, " ")+1:])
			}
			if len(got) != n || !slices.IsSortedFunc(got, func(a, b string) int { return len(a) - len(b) }) || len(slices.Compact(slices.Clone(got))) != n {
				t.Errorf("got %d of %d: %v", len(got), n, got)
			}
		}
		for _, s := range sessions {
			s.Leave("news")
		}
		if e.following != 0 {
			t.Errorf("the channel has no sessions, but is still followed %d times", e.following)
		}
	})
}

// TestCursorsOfOneGroupThatDiffer blocks the sweeper of a group. Meanwhile two sessions join the
// group, with a publication between them. Then both are swept together, and need different
// publications.
func TestCursorsOfOneGroupThatDiffer(t *testing.T) {
	inWorld(t, boreas.Options{Sweepers: 1}, func(w world) {
		held, release := make(chan struct{}), make(chan struct{})
		once := true
		w.subscribe(&boreastest.Conn{OnWrite: func() {
			if once {
				once = false
				close(held)
				<-release
			}
		}}, "news")
		w.publish("news", "1")
		<-held
		_, a := w.subscriber("news")
		w.publish("news", "2")
		_, b := w.subscriber("news")
		w.publish("news", "3")
		close(release)
		w.want(a, span("news", 2, 3)...)
		w.want(b, span("news", 3, 3)...)
	})
}

func TestPartlyWrittenAnswer(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		c.Bound(3)
		s.Send([]byte("hello\n"))
		w.publish("news", "1")
		w.settle()
		c.Unbound()
		w.want(c, "hello", "news 1 1")
	})
}
