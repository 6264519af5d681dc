package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// publishing returns rules that allow sessions to publish on all channels. If latest is set, a slow
// reader receives only the newest publication.
func publishing(latest bool) *boreas.Rules {
	return new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{ClientPublish: true, Latest: latest})
}

// silently publishes for a session that does not receive its own publications.
func (w world) silently(s *boreas.Session, text, key string, want error) {
	w.Helper()
	m := engine.Message{Data: []byte(text), Key: key}
	if _, err := s.Publish(context.Background(), "news", m, boreas.PublishOptions{NoEcho: true}); !errors.Is(err, want) {
		w.Errorf("publish %s: %v, want %v", text, err, want)
	}
}

// clause 6.2: a session that skips its own publications shares bytes with others again once its own
// are behind it, even if a gap has passed them.
func TestGapPassesOwnPublications(t *testing.T) {
	for _, latest := range []bool{true, false} {
		inBubble(t, func(t *testing.T) {
			e := newMemory(memory.Options{Messages: 4})
			defer e.Close()
			hub := boreas.New(boreas.Options{Engine: e, Rules: publishing(latest), Sweepers: 1})
			defer hub.Shutdown(context.Background(), 0)
			w := world{t, hub}
			c := &boreastest.Conn{Form: boreastest.Announcing{}}
			s := w.subscribe(c, "news")
			c.Bound(0)
			w.publish("news", "first") // the publications that block the connection
			w.settle()
			for i := range 5 {
				w.silently(s, fmt.Sprintf(`"own %d"`, i), "", nil)
			}
			if s.Shares("news") {
				t.Error("the session would receive its own publications")
			}
			w.publishUpTo("news", 7, 13)
			w.settle()
			w.pass(2 * time.Second)
			c.Unbound()
			w.settle()
			w.pass(2 * time.Second)
			if !s.Shares("news") {
				t.Errorf("latest %v: none of its own publications is ahead, but it does not share bytes; lines %q", latest, c.Lines())
			}
		})
	}
}

// When a publish has ended, successfully or not, the session waits for nothing.
func TestOwnPublicationsThatAreNotPublished(t *testing.T) {
	inWorld(t, boreas.Options{Rules: publishing(false)}, func(w world) {
		c := &boreastest.Conn{Form: boreastest.Announcing{}}
		s := w.subscribe(c, "news")
		shares := func(what string) {
			w.Helper()
			w.settle()
			if !s.Shares("news") {
				t.Errorf("after %s the session does not share bytes", what)
			}
		}
		shares("nothing")
		w.silently(s, "1", "k", nil)
		shares("one of its own")
		w.silently(s, "1", "k", nil)
		shares("a duplicate")
		w.silently(s, "2", "k", engine.ErrKeyReused)
		shares("a refusal")
		w.publish("news", "3")
		w.want(c, "news 2 3")
		s.Leave("news")
		w.silently(s, "4", "", nil) // on a channel that the session has not joined
		w.joins(s, boreas.Join{Channel: "news"})
		shares("a rejoin")
	})
}
