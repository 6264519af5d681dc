package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// lent is an engine that its owner closes after the hub's Shutdown has returned. After that, no
// call may be under way, and none may begin.
type lent struct {
	*testing.T
	engine.Engine
	takes func() time.Duration // how long a call takes, unless its context ends before
	over  atomic.Bool          // Shutdown has returned
	calls atomic.Int64
}

// call stands for one call of the engine, or one call of stop.
func (e *lent) call(ctx context.Context, what string) error {
	if e.over.Load() {
		e.Errorf("%s begins after Shutdown returned", what)
	}
	e.calls.Add(1)
	select {
	case <-time.After(e.takes()):
	case <-ctx.Done():
	}
	if e.over.Load() {
		e.Errorf("%s is under way after Shutdown returned", what)
	}
	return ctx.Err()
}

func (e *lent) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	if err := e.call(ctx, "Publish"); err != nil {
		return engine.Ack{}, err
	}
	return e.Engine.Publish(ctx, channel, m)
}

func (e *lent) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	if err := e.call(ctx, "Read"); err != nil {
		return engine.History{}, err
	}
	return e.Engine.Read(ctx, channel, since, limit)
}

func (e *lent) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	if err := e.call(ctx, "Follow"); err != nil {
		return engine.Position{}, nil, err
	}
	head, stop, err := e.Engine.Follow(ctx, channel, to)
	return head, func() { e.call(context.Background(), "stop"); stop() }, err
}

func (e *lent) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	if err := e.call(ctx, "ListChannels"); err != nil {
		return nil, err
	}
	return e.Engine.(*memory.Engine).ListChannels(ctx, prefix, after, limit)
}

func (e *lent) Stats() engine.Stats {
	e.call(context.Background(), "Stats")
	return e.Engine.(*memory.Engine).Stats()
}

// inLent runs a test with a hub on a lent engine whose calls take a second. The test calls end,
// which calls the hub's Shutdown with the given timeout.
func inLent(t *testing.T, o boreas.Options, test func(w world, e *lent, end func(patience time.Duration))) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		kept := newMemory(memory.Options{})
		defer kept.Close()
		e := &lent{T: t, Engine: kept, takes: func() time.Duration { return time.Second }}
		o.Engine = e
		hub := boreas.New(o)
		test(world{t, hub}, e, func(patience time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			hub.Shutdown(ctx, 0)
			e.over.Store(true)
		})
	})
}

func lingering() boreas.Options {
	return boreas.Options{PresenceLinger: 5 * time.Second, Rules: new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull})}
}

// A lost session's place has expired, and the stop of its channel is under way when the hub shuts
// down.
func TestShutdownWaitsForStopOfLingeringPlace(t *testing.T) {
	inLent(t, lingering(), func(w world, e *lent, end func(time.Duration)) {
		s, _ := w.subscriber("chat")
		s.Lost(io.EOF)
		w.pass(5*time.Second + time.Millisecond)
		end(time.Minute)
	})
}

// doneFirst is a connection that calls Done within Finish, before Finish returns to the goroutine
// that ended the session.
type doneFirst struct {
	session *boreas.Session
	goOn    chan struct{}
}

func (*doneFirst) TryWrite(p []byte) (int, error)   { return len(p), nil }
func (*doneFirst) WaitWritable(time.Duration) error { return nil }
func (c *doneFirst) Finish(error, bool)             { c.session.Done(); <-c.goOn }

// The hub shuts down while the goroutine that ended a session has not released the session's
// channels yet.
func TestShutdownWaitsForReleaseOfChannels(t *testing.T) {
	for name, act := range map[string]func(*boreas.Session){
		"end":  func(s *boreas.Session) { s.End(boreas.ErrTerminated) },
		"lost": func(s *boreas.Session) { s.Lost(io.EOF) },
	} {
		t.Run(name, func(t *testing.T) {
			inLent(t, lingering(), func(w world, e *lent, end func(time.Duration)) {
				s, err := w.hub.Reserve(netip.Addr{})
				if err != nil {
					t.Fatal(err)
				}
				c := &doneFirst{s, make(chan struct{})}
				if err := s.Start(c, boreastest.Text{}, nil); err != nil {
					t.Fatal(err)
				}
				s.Authenticate(boreastest.Grant("a", "u"))
				w.join(s, "chat")
				go act(s)
				w.settle()
				go end(time.Minute)
				w.pass(time.Second)
				close(c.goOn)
				w.pass(time.Minute)
			})
		})
	}
}

// Each call is under way when the hub shuts down, and only its context can end it.
func TestShutdownEndsCallsUnderWay(t *testing.T) {
	never := context.Background()
	for name, call := range map[string]func(w world, s *boreas.Session, p engine.Position) error{
		"publish": func(w world, _ *boreas.Session, _ engine.Position) error {
			return errOf(w.hub.Publish(never, "a", engine.Message{}))
		},
		"session publish": func(w world, s *boreas.Session, _ engine.Position) error {
			return errOf(s.Publish(never, "a", engine.Message{}, boreas.PublishOptions{}))
		},
		"history": func(w world, _ *boreas.Session, _ engine.Position) error {
			return errOf(w.hub.History(never, "a", engine.Position{}, engine.Limit{Messages: 1}))
		},
		"channel": func(w world, _ *boreas.Session, _ engine.Position) error { return errOf(w.hub.Channel(never, "a")) },
		"list": func(w world, _ *boreas.Session, _ engine.Position) error {
			_, _, err := w.hub.ListChannels(never, "", "", 1)
			return err
		},
		"join": func(w world, s *boreas.Session, _ engine.Position) error { return join(s, "b") },
		"resume": func(w world, s *boreas.Session, p engine.Position) error {
			return s.Join(context.Background(), []boreas.Join{{Channel: "b", Since: p}}, nil)[0].Err
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := boreas.Options{Rules: lingering().Rules}
			inLent(t, o, func(w world, e *lent, end func(time.Duration)) {
				ack, err := w.hub.Publish(never, "b", engine.Message{Data: []byte("1")})
				if err != nil {
					t.Fatal(err)
				}
				s, _ := w.subscriber("a")
				e.takes = func() time.Duration { return time.Hour }
				done := make(chan error)
				go func() { done <- call(w, s, ack.Position) }()
				w.settle()
				e.takes = func() time.Duration { return time.Second } // of each stop
				start := time.Now()
				go end(time.Second)
				if err := <-done; err == nil {
					t.Error("no error")
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("ended after %v", took)
				}
				w.pass(time.Minute)
			})
		})
	}
}

func errOf[T any](_ T, err error) error { return err }

// After Shutdown, calls of the hub fail with ErrClosed and do not call the engine.
func TestCallsAfterShutdown(t *testing.T) {
	inLent(t, boreas.Options{}, func(w world, e *lent, end func(time.Duration)) {
		s, _ := w.subscriber("a")
		end(time.Minute)
		ctx := context.Background()
		_, _, listed := w.hub.ListChannels(ctx, "", "", 1)
		for name, err := range map[string]error{
			"publish": errOf(w.hub.Publish(ctx, "a", engine.Message{})),
			"history": errOf(w.hub.History(ctx, "a", engine.Position{}, engine.Limit{Messages: 1})),
			"channel": errOf(w.hub.Channel(ctx, "a")),
			"list":    listed,
			"join":    join(s, "b"),
		} {
			if !errors.Is(err, engine.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := w.hub.Stats().Engine; got != (engine.Stats{}) {
			t.Errorf("stats: %+v", got)
		}
		if e.calls.Load() == 0 {
			t.Error("the engine was never called")
		}
	})
}

// TestShutdownDuringManyCalls shuts hubs down while sessions join, resume, publish, read, leave and
// are lost, and while other goroutines end them.
func TestShutdownDuringManyCalls(t *testing.T) {
	for seed := range uint64(30) {
		o := lingering()
		inLent(t, o, func(w world, e *lent, end func(time.Duration)) {
			var mu sync.Mutex
			r := rand.New(rand.NewPCG(seed, 0))
			n := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
			e.takes = func() time.Duration { return time.Duration(n(300)) * time.Millisecond }
			ctx := context.Background()
			var ids sync.Map
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					for {
						s, c, err := boreastest.Open(w.hub)
						if err != nil {
							return
						}
						ids.Store(s.ID(), true)
						s.Authenticate(boreastest.Grant("a", fmt.Sprint("user", n(5))))
						if n(3) == 0 {
							c.Bound(n(100))
						}
						for range n(5) {
							channel := fmt.Sprint("c", n(4))
							switch n(5) {
							case 0:
								s.Publish(ctx, channel, engine.Message{Data: []byte("1")}, boreas.PublishOptions{})
							case 1:
								s.History(ctx, channel, engine.Position{}, engine.Limit{Messages: 5})
							case 2:
								s.Leave(channel)
							default:
								h, _ := w.hub.History(ctx, channel, engine.Position{}, engine.Limit{})
								s.Join(context.Background(), []boreas.Join{{Channel: channel, Since: h.Floor}}, nil)
							}
						}
						if n(3) > 0 {
							s.Lost(io.EOF)
						}
					}
				})
			}
			wg.Go(func() { // another goroutine ends sessions, publishes and lists
				for !e.over.Load() {
					ids.Range(func(id, _ any) bool {
						ids.Delete(id)
						w.hub.EndSession(id.(string), boreas.ErrTerminated)
						return n(3) > 0
					})
					if _, err := w.hub.Publish(ctx, fmt.Sprint("c", n(4)), engine.Message{Data: []byte("1")}); err != nil {
						return
					}
					w.hub.ListChannels(ctx, "", "", 10)
				}
			})
			<-time.After(time.Duration(n(10_000)) * time.Millisecond)
			end(time.Duration(n(2000)) * time.Millisecond)
			wg.Wait()
			w.pass(time.Minute)
		})
	}
}

// TestDoneTwice: a session that a transport reports as closed twice counts once.
func TestDoneTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		hub := boreas.New(boreas.Options{MaxSessions: 2})
		var sessions []*boreas.Session
		for range 2 {
			s, err := hub.Reserve(netip.Addr{})
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		sessions[0].Done()
		sessions[0].Done()
		if _, err := hub.Reserve(netip.Addr{}); err != nil {
			t.Errorf("the place of the closed session: %v", err)
		}
		if _, err := hub.Reserve(netip.Addr{}); !errors.Is(err, boreas.ErrTooManySessions) {
			t.Errorf("one place more than there is: %v", err)
		}
		sessions[1].Done()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := hub.Shutdown(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown does not wait for the third session: %v", err)
		}
	})
}
