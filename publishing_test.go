package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

func message(data string) engine.Message { return engine.Message{Data: []byte(data)} }

// clauses 6.1, 6.2: which sessions may publish, and which receive the message.
func TestSessionsPublish(t *testing.T) {
	ctx := context.Background()
	inWorld(t, boreas.Options{Rules: ruleFor("chat", boreas.Rule{ClientPublish: true})}, func(w world) {
		s, c := w.announced("chat")
		other, oc := w.announced("chat")
		for i := 1; i <= 6; i++ {
			ack, err := s.Publish(ctx, "chat", message(fmt.Sprint(i)), boreas.PublishOptions{NoEcho: i%2 == 0})
			if err != nil || ack.Position.Offset != uint64(i) {
				t.Fatalf("publish: %v, %v", ack, err)
			}
			if i == 3 {
				w.settle()
			}
		}
		if _, err := other.Publish(ctx, "chat", message("7"), boreas.PublishOptions{NoEcho: true}); err != nil {
			t.Fatal(err)
		}
		w.want(oc, span("chat", 1, 6)...)
		w.want(c, "chat 1 1", "chat 3 3", "chat 5 5", "chat 7 7")

		for channel, want := range map[string]error{"news": access.ErrNotPermitted, "": access.ErrChannelName} {
			if _, err := s.Publish(ctx, channel, message("1"), boreas.PublishOptions{}); !errors.Is(err, want) {
				t.Errorf("on %q: %v", channel, err)
			}
		}
		if _, err := s.Publish(ctx, "chat", engine.Message{Key: string(make([]byte, engine.MaxKey+1))}, boreas.PublishOptions{}); err != boreas.ErrKey {
			t.Errorf("long key: %v", err)
		}
		c2 := &boreastest.Conn{Form: boreastest.Announcing{}}
		anonymous, err := c2.Open(w.hub)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := anonymous.Publish(ctx, "chat", message("1"), boreas.PublishOptions{}); err != access.ErrAnonymous {
			t.Errorf("anonymous: %v", err)
		}
	})
}

// TestEchoWhileBlocked leaves out a session's own publications even while it catches up from the
// log, wherever its lines are interrupted.
func TestEchoWhileBlocked(t *testing.T) {
	ctx := context.Background()
	for room := range 12 {
		inWorld(t, boreas.Options{Rules: ruleFor("chat", boreas.Rule{ClientPublish: true})}, func(w world) {
			s, c := w.announced("chat")
			var want []string
			for i := 1; i <= 400; i++ {
				own := i%3 == 0
				if !own {
					want = append(want, fmt.Sprintf("chat %d %d", i, i))
				}
				if i == 5 {
					w.settle()
					c.Bound(room)
				}
				if _, err := s.Publish(ctx, "chat", message(fmt.Sprint(i)), boreas.PublishOptions{NoEcho: own}); err != nil {
					t.Fatal(err)
				}
			}
			w.settle()
			c.Unbound()
			w.settle()
			w.publish("chat", "401")
			w.want(c, append(want, "chat 401 401")...)
		})
	}
}

// A publish that failed or was a duplicate does not make the session skip another publication.
func TestEchoAfterAFailure(t *testing.T) {
	ctx := context.Background()
	inBubble(t, func(t *testing.T) {
		e := &failing{Engine: newMemory(memory.Options{})}
		defer e.Close()
		w := world{t, boreas.New(boreas.Options{Engine: e, Rules: ruleFor("chat", boreas.Rule{ClientPublish: true})})}
		defer w.hub.Shutdown(ctx, 0)
		s, c := w.announced("chat")
		e.fail = true
		if _, err := s.Publish(ctx, "chat", message("1"), boreas.PublishOptions{NoEcho: true}); err == nil {
			t.Fatal("no error")
		}
		e.fail = false
		w.publish("chat", "1")
		if _, err := s.Publish(ctx, "chat", message("2"), boreas.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		w.want(c, "chat 1 1", "chat 2 2")
	})
}

type failing struct {
	engine.Engine
	fail bool
}

func (f *failing) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	if f.fail {
		return engine.Ack{}, errors.New("disk full")
	}
	return f.Engine.Publish(ctx, channel, m)
}

// A session whose newest publication is its own, and not wanted, has nothing to wait for. Skipped
// publications do not count as deliveries.
func TestNewestPublicationIsItsOwn(t *testing.T) {
	ctx := context.Background()
	for _, blocked := range []bool{false, true} {
		inWorld(t, boreas.Options{Rules: ruleFor("chat", boreas.Rule{ClientPublish: true})}, func(w world) {
			s, c := w.announced("chat")
			if blocked {
				c.Bound(3)
			}
			for i := 1; i <= 3; i++ {
				if _, err := s.Publish(ctx, "chat", message(fmt.Sprint(i)), boreas.PublishOptions{NoEcho: i != 1}); err != nil {
					t.Fatal(err)
				}
			}
			w.settle()
			c.Unbound()
			w.want(c, "chat 1 1")
			if got := w.hub.Stats(); got.Blocked != 0 || got.Deliveries != 1 {
				t.Errorf("blocked %v: %d blocked, %d deliveries", blocked, got.Blocked, got.Deliveries)
			}
		})
	}
}
