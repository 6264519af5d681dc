package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func TestSharedEngine(t *testing.T) {
	for _, n := range []uint64{0, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			boreastest.TestEngine(t, func(*testing.T) engine.Engine { return boreastest.NewShared(n) })
		})
	}
}

// inShared runs a test on an engine whose channels share one sequence of offsets.
func inShared(t *testing.T, test func(w world, e *boreastest.Shared)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		e := boreastest.NewShared(0)
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e})}
		defer w.hub.Shutdown(context.Background(), 0)
		test(w, e)
	})
}

// wantQuiet checks that nothing reads the log while nothing is published and no session catches up.
func (w world) wantQuiet(e *boreastest.Shared) {
	w.Helper()
	w.settle()
	before := e.Reads()
	w.pass(time.Minute)
	if n := e.Reads() - before; n > 0 {
		w.Errorf("%d reads in a minute without publications", n)
	}
	if n := w.hub.Stats().Blocked; n != 0 {
		w.Errorf("%d sessions are still catching up", n)
	}
}

// Publications on other channels move the head of the log far beyond the channel's newest
// publication. A session resumes from each offset up to the head, whether or not a publication has
// that offset.
func TestResumeWithHeadBeyondNewest(t *testing.T) {
	for _, followed := range []bool{false, true} {
		for at := range uint64(12) {
			t.Run(fmt.Sprintf("followed=%v/at=%d", followed, at), func(t *testing.T) {
				inShared(t, func(w world, e *boreastest.Shared) {
					if followed {
						w.subscriber("news") // before the first publication
					}
					w.publish("other", "x")
					w.publish("news", "a") // 2
					w.publish("other", "x")
					w.publish("other", "x")
					w.publish("news", "b") // 5
					for range 6 {
						w.publish("other", "x")
					}
					var want []string
					if at < 2 {
						want = append(want, "news 2 a")
					}
					if at < 5 {
						want = append(want, "news 5 b")
					}
					head, err := w.hub.History(context.Background(), "news", engine.Position{}, engine.Limit{})
					if err != nil {
						t.Fatal(err)
					}
					s, c := w.subscriber()
					since := engine.Position{Epoch: head.Head.Epoch, Offset: at}
					before := e.Reads()
					r := s.Join(context.Background(), []boreas.Join{{Channel: "news", Since: since}}, nil)[0]
					if r.Err != nil || !r.Recovered || r.Position != since {
						t.Fatalf("joined: %+v", r)
					}
					w.want(c, want...)
					if n := e.Reads() - before; n != 1 {
						t.Errorf("%d reads for one join", n)
					}
					w.wantQuiet(e)
					w.publish("other", "x")
					w.publish("news", "c") // 13
					w.want(c, append(want, "news 13 c")...)
					w.wantQuiet(e)
				})
			})
		}
	}
}

// A reader is blocked while its channel's window is dropped and publications on other channels move
// the head forward.
func TestCatchUpWithHeadBeyondNewest(t *testing.T) {
	inShared(t, func(w world, e *boreastest.Shared) {
		_, c := w.subscriber("news")
		c.Bound(3)
		var want []string
		for i := range 1000 {
			w.publish("news", fmt.Sprint(i))
			want = append(want, fmt.Sprintf("news %d %d", 3*i+1, i))
			w.publish("other", "x")
			w.publish("other", "x")
		}
		w.settle()
		c.Unbound()
		w.want(c, want...)
		w.wantQuiet(e)
		w.publish("news", "last")
		w.want(c, append(want, "news 3001 last")...)
		w.wantQuiet(e)
	})
}

// flaky is an engine whose Read fails, or returns no publications, until the test calls recover.
type flaky struct {
	engine.Engine
	mu    *sync.Mutex
	err   error
	blind bool
	reads int
}

func (e *flaky) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reads
}

func (e *flaky) recover() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err, e.blind = nil, false
}

func (e *flaky) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if channel == "news" {
		e.reads++
		if e.err != nil {
			return engine.History{}, e.err
		}
	}
	h, err := e.Engine.Read(ctx, channel, since, limit)
	if e.blind && channel == "news" {
		h.Publications = nil
	}
	return h, err
}

// inFlaky runs a test with a session on news and sport. The session is behind by messages of news
// that only the log has, and its connection has just become writable again.
func inFlaky(t *testing.T, e flaky, test func(w world, e *flaky, s *boreas.Session, c *boreastest.Conn)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		kept := newMemory(memory.Options{Age: time.Hour})
		defer kept.Close()
		e.Engine, e.mu = kept, new(sync.Mutex)
		w := world{t, boreas.New(boreas.Options{Engine: &e})}
		defer w.hub.Shutdown(context.Background(), 0)
		s, c := w.subscriber("news", "sport")
		c.Bound(3)
		for i := 1; i <= 3; i++ {
			w.publish("news", fmt.Sprint(i))
		}
		w.settle()
		c.Unbound()
		w.want(c, "news 1 1")
		test(w, &e, s, c)
	})
}

var errElection = errors.New("an election is under way")

// A log that is unreadable for a while delays neither answers nor other channels, and is not read
// in a busy loop.
func TestLogIsUnreadableForAWhile(t *testing.T) {
	for name, e := range map[string]flaky{"error": {err: errElection}, "behind": {blind: true}} {
		t.Run(name, func(t *testing.T) {
			inFlaky(t, e, func(w world, e *flaky, s *boreas.Session, c *boreastest.Conn) {
				w.pass(5 * time.Second)
				s.Send([]byte("answer\n"))
				w.want(c, "news 1 1", "answer")
				w.publish("sport", "1")
				w.want(c, "news 1 1", "answer", "sport 1 1")
				w.publish("news", "4")
				w.pass(15 * time.Second)
				w.want(c, "news 1 1", "answer", "sport 1 1")
				if n := e.count(); n > 40 {
					t.Errorf("%d reads in 20 s", n)
				}
				e.recover()
				w.pass(6 * time.Second)
				w.want(c, "news 1 1", "answer", "sport 1 1", "news 2 2", "news 3 3", "news 4 4")
				before := e.count()
				w.publish("news", "5")
				w.pass(time.Minute)
				w.want(c, "news 1 1", "answer", "sport 1 1", "news 2 2", "news 3 3", "news 4 4", "news 5 5")
				if n := e.count() - before; n != 0 || w.hub.Stats().Blocked != 0 {
					t.Errorf("%d reads, %d blocked", n, w.hub.Stats().Blocked)
				}
			})
		})
	}
}

func TestLogStaysUnreadable(t *testing.T) {
	for _, cause := range []error{errElection, fmt.Errorf("read 7.log, byte 40: %w", engine.ErrStorageFailed)} {
		inFlaky(t, flaky{err: cause}, func(w world, e *flaky, s *boreas.Session, c *boreastest.Conn) {
			w.pass(25 * time.Second)
			if s.Reason() != nil {
				t.Fatalf("ended early: %v", s.Reason())
			}
			w.publish("sport", "1")
			w.want(c, "news 1 1", "sport 1 1") // live messages of other channels arrive meanwhile
			w.pass(15 * time.Second)
			want := boreas.ErrUnreadable.Error() + ": " + cause.Error()
			if err := s.Reason(); !errors.Is(err, boreas.ErrUnreadable) || err.Error() != want {
				t.Errorf("reason: %v, want %s", err, want)
			}
			w.want(c, "news 1 1", "sport 1 1", "end: "+want)
			if got, want := w.hub.Stats().Ended, (boreas.Ended{HistoryUnavailable: 1}); got != want {
				t.Errorf("ended: %+v, want %+v", got, want)
			}
		})
	}
}

// A session that ends while it waits for a log ends at once.
func TestEndsWhileItWaitsForALog(t *testing.T) {
	for name, act := range map[string]func(w world, s *boreas.Session){
		"leave":    func(_ world, s *boreas.Session) { s.Leave("news") },
		"end":      func(_ world, s *boreas.Session) { s.End(boreas.ErrTerminated) },
		"lost":     func(_ world, s *boreas.Session) { s.Lost(errElection) },
		"shutdown": func(w world, _ *boreas.Session) { w.hub.Shutdown(context.Background(), 0) },
	} {
		for kind, e := range map[string]flaky{"error": {err: errElection}, "behind": {blind: true}} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				inFlaky(t, e, func(w world, e *flaky, s *boreas.Session, _ *boreastest.Conn) {
					w.pass(3 * time.Second)
					before := e.count()
					act(w, s)
					w.pass(10 * time.Second)
					if blocked, n := w.hub.Stats().Blocked, e.count()-before; blocked != 0 || n > 2 {
						t.Errorf("afterwards: %d blocked, %d reads", blocked, n)
					}
				})
			})
		}
	}
}

// Many sessions wait for the same log: one goroutine reads it for all of them.
func TestManyWaitForOneLog(t *testing.T) {
	inFlaky(t, flaky{blind: true}, func(w world, e *flaky, _ *boreas.Session, c *boreastest.Conn) {
		conns := []*boreastest.Conn{c}
		for range 100 {
			_, c := w.subscriber("news")
			conns = append(conns, c)
			c.Bound(3)
		}
		w.publish("news", "4")
		w.publish("news", "5")
		w.settle()
		before := e.count()
		for _, c := range conns {
			c.Unbound()
		}
		w.pass(time.Minute)
		if n := e.count() - before; n > 2*len(conns)+100 {
			t.Errorf("%d reads in a minute", n)
		}
		e.recover()
		w.pass(2 * time.Second)
		for _, c := range conns[1:] {
			w.want(c, "news 4 4", "news 5 5")
		}
	})
}
