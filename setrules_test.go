package boreas_test

import (
	"context"
	"sync"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
)

// TestSetRules: a channel in use follows its new rule, except for presence, which it gets once it is no
// longer in use.
func TestSetRules(t *testing.T) {
	inWorld(t, boreas.Options{Rules: ruleFor("news", boreas.Rule{})}, func(w world) {
		a, _ := w.announced("news")
		b, _ := w.announced()
		watch := func(s *boreas.Session) error {
			return s.Join(context.Background(), []boreas.Join{{Channel: "news", Watch: true}}, nil)[0].Err
		}
		w.hub.SetRules(ruleFor("news", boreas.Rule{MaxSubscribers: 1, Presence: boreas.PresenceFull, ClientPublish: true}))
		if err := join(b, "news"); err != boreas.ErrTooManySubscribers {
			t.Errorf("max_subscribers: %v", err)
		}
		if !w.hub.Rule("news").ClientPublish {
			t.Error("clients may not publish")
		}
		if err := watch(a); err != boreas.ErrNoPresence {
			t.Errorf("presence of a channel in use: %v", err)
		}
		a.Leave("news")
		if err := watch(a); err != nil {
			t.Errorf("presence of a channel that was not in use: %v", err)
		}
		w.hub.SetRules(ruleFor("news", boreas.Rule{}))
		if err := watch(b); err != boreas.ErrNoPresence {
			t.Errorf("presence that has ended: %v", err)
		}
		if _, err := w.hub.Presence("news"); err != boreas.ErrNoPresence {
			t.Errorf("presence that has ended: %v", err)
		}
		if err := join(b, "news"); err != nil {
			t.Errorf("a limit that has ended: %v", err)
		}
	})
}

// TestSetRulesWhileChannelsBegin: no channel keeps an old rule, whatever happens at the same time.
func TestSetRulesWhileChannelsBegin(t *testing.T) {
	inWorld(t, boreas.Options{Rules: ruleFor("news", boreas.Rule{MaxSubscribers: 1})}, func(w world) {
		for range 100 {
			w.hub.SetRules(ruleFor("news", boreas.Rule{MaxSubscribers: 1}))
			first, _ := w.announced()
			second, _ := w.announced()
			var all sync.WaitGroup
			all.Go(func() { join(first, "news") })
			all.Go(func() { w.hub.SetRules(ruleFor("news", boreas.Rule{MaxSubscribers: 2})) })
			all.Wait()
			if err := join(second, "news"); err != nil {
				t.Fatalf("after the change: %v", err)
			}
			first.Leave("news")
			second.Leave("news")
		}
	})
}

// TestSetRulesAtOnce: a channel has the rule of the hub, whichever of two calls ends last.
func TestSetRulesAtOnce(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.announced("news")
		other, _ := w.announced()
		for range 5000 {
			var both sync.WaitGroup
			for most := range 2 {
				both.Go(func() { w.hub.SetRules(ruleFor("news", boreas.Rule{MaxSubscribers: 1 + most})) })
			}
			both.Wait()
			allowed := w.hub.Rule("news").MaxSubscribers > 1
			if err := join(other, "news"); (err == nil) != allowed {
				t.Fatalf("allowed: %v, join: %v", allowed, err)
			}
			other.Leave("news")
		}
	})
}
