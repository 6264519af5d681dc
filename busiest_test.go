package boreas_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

func TestBusiestChannels(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.subscriber("a", "b")
		w.subscriber("b", "c.1")
		w.publishUpTo("c.1", 1, 2)
		w.publishUpTo("a", 1, 2)
		w.publishUpTo("nobody", 1, 3)
		type count = boreas.Count
		type published = engine.Published
		same := func(what string, want, got any) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		same("subscribers", []count{{"b", 2}, {"a", 1}, {"c.1", 1}}, w.hub.MostSubscribed("", 10))
		same("the first two", []count{{"b", 2}, {"a", 1}}, w.hub.MostSubscribed("", 2))
		same("with a prefix", []count{{"c.1", 1}}, w.hub.MostSubscribed("c", 10))
		same("messages", []published{{Channel: "nobody", Count: 3}, {Channel: "a", Count: 2}, {Channel: "c.1", Count: 2}}, w.hub.MostPublished("", 10))
		same("the first one", []published{{Channel: "nobody", Count: 3}}, w.hub.MostPublished("", 1))
	})
}

// BenchmarkBusiestChannels has 100,000 channels, each with a message and a subscriber.
func BenchmarkBusiestChannels(b *testing.B) {
	hub := boreas.New(boreas.Options{MaxChannels: 100_000})
	defer hub.Shutdown(b.Context(), 0) //nolint:errcheck // nothing depends on it
	s, _, err := boreastest.Open(hub)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Authenticate(boreastest.Grant("u", "u")); err != nil {
		b.Fatal(err)
	}
	for i := range 100_000 {
		name := fmt.Sprint("channel.", i)
		if r := s.Join(b.Context(), []boreas.Join{{Channel: name}}, nil); r[0].Err != nil {
			b.Fatal(r[0].Err)
		}
		if _, err := hub.Publish(b.Context(), name, engine.Message{Data: []byte("1")}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("subscribers", func(b *testing.B) {
		for b.Loop() {
			hub.MostSubscribed("", 50)
		}
	})
	b.Run("messages", func(b *testing.B) {
		for b.Loop() {
			hub.MostPublished("", 50)
		}
	})
}
