package boreas_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// published publishes a message and returns its position.
func (w world) published(channel, data string) engine.Position {
	w.Helper()
	ack, err := w.hub.Publish(w.Context(), channel, engine.Message{Data: []byte(data)})
	if err != nil {
		w.Fatal(err)
	}
	w.settle()
	return ack.Position
}

func (w world) wantReach(what, channel string, at engine.Position, limit int, want boreas.Reach) {
	w.Helper()
	if want.Behind == nil {
		want.Behind = []boreas.Late{}
	}
	if diff := cmp.Diff(want, w.hub.Reach(channel, at, limit)); diff != "" {
		w.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestReach(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		blocked := func() *boreas.Session {
			s, c := w.subscriber("news")
			c.Bound(0)
			return s
		}
		w.wantReach("without the channel", "news", engine.Position{Epoch: 1, Offset: 1}, 10, boreas.Reach{})
		before := w.published("news", "0")
		slower := blocked()
		quick, _ := w.subscriber("news")
		w.subscriber("news")
		early := w.published("news", "1")
		w.published("news", "1.5")
		slow := blocked()
		at := w.published("news", "2")
		w.pass(2 * time.Second)
		w.subscriber("news") // later than the message
		last := w.published("news", "3")

		lateSlower := boreas.Late{Session: slower.ID(), User: "u", Behind: 4, Blocked: 2 * time.Second}
		lateSlow := boreas.Late{Session: slow.ID(), User: "u", Behind: 2, Blocked: 2 * time.Second}
		all := boreas.Reach{Sessions: 4, Reached: 2, Behind: []boreas.Late{lateSlower, lateSlow}}
		w.wantReach("all", "news", at, 10, all)
		w.wantReach("the last message", "news", last, 10, boreas.Reach{Sessions: 5, Reached: 3, Behind: all.Behind})
		w.wantReach("a message before the sessions", "news", before, 10, boreas.Reach{})
		first := all
		first.Behind = all.Behind[:1]
		w.wantReach("the first of them", "news", at, 1, first)
		w.wantReach("another log", "news", engine.Position{Epoch: at.Epoch + 1, Offset: at.Offset}, 10, boreas.Reach{})

		// A session that resumes is on the channel as soon as it has less than the message.
		resumed, c, err := boreastest.Open(w.hub)
		if err != nil {
			t.Fatal(err)
		}
		if err := resumed.Authenticate(boreastest.Grant("r", "r")); err != nil {
			t.Fatal(err)
		}
		c.Bound(0)
		if r := w.joins(resumed, boreas.Join{Channel: "news", Since: early}); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		all.Sessions, all.Behind = 5, append(all.Behind[:1:1], boreas.Late{Session: resumed.ID(), User: "r", Behind: 3}, lateSlow)
		w.wantReach("with one that resumes", "news", at, 10, all)

		slower.End(boreas.ErrTerminated)
		quick.Leave("news")
		w.settle()
		all.Sessions, all.Reached, all.Behind = 3, 1, all.Behind[1:]
		w.wantReach("after some have left", "news", at, 10, all)
	})
}

// After a reset of the log, sessions continue where it begins again: they do not have later messages,
// and nobody knows whether they have had earlier ones.
func TestReachAfterReset(t *testing.T) {
	inShared(t, func(w world, e *boreastest.Shared) {
		s, c := w.announced("news")
		c.Bound(0)
		old := w.published("news", "1")
		w.wantReach("before the reset", "news", old, 10, boreas.Reach{Sessions: 1, Behind: []boreas.Late{{Session: s.ID(), User: "u", Behind: 1}}})
		e.Lose(5, errLost)
		w.settle()
		w.wantReach("of the old log", "news", old, 10, boreas.Reach{})
		at := w.published("news", "2")
		w.wantReach("after it", "news", at, 10, boreas.Reach{Sessions: 1, Behind: []boreas.Late{{Session: s.ID(), User: "u", Behind: 1}}})
		c.Unbound()
		w.settle()
		w.wantReach("when it has the message", "news", at, 10, boreas.Reach{Sessions: 1, Reached: 1})
	})
}

func TestMessageAtAPosition(t *testing.T) {
	inWorldWith(t, func() engine.Engine { return memory.New(memory.Options{Messages: 2}) }, func(w world) {
		start := w.head("news")
		var at []engine.Position
		for i := range 3 {
			at = append(at, w.published("news", fmt.Sprint(i)))
		}
		for name, c := range map[string]struct {
			at   engine.Position
			want string
			err  error
		}{
			"the oldest":        {at[1], "1", nil},
			"the newest":        {at[2], "2", nil},
			"dropped":           {at[0], "", engine.ErrExpired},
			"ahead":             {engine.Position{Epoch: at[2].Epoch, Offset: at[2].Offset + 1}, "", engine.ErrAhead},
			"far ahead":         {engine.Position{Epoch: at[2].Epoch, Offset: at[2].Offset + 9}, "", engine.ErrAhead},
			"another epoch":     {engine.Position{Epoch: at[2].Epoch + 1, Offset: at[2].Offset}, "", engine.ErrUnknownEpoch},
			"the start":         {engine.Position{Epoch: start.Epoch}, "", engine.ErrExpired},
			"the start, unseen": {engine.Position{Epoch: start.Epoch + 1}, "", engine.ErrUnknownEpoch},
		} {
			p, floor, err := w.hub.Message(w.Context(), "news", c.at)
			got := ""
			if p != nil {
				got = string(p.Data)
			}
			if got != c.want || !errors.Is(err, c.err) || floor != at[0] {
				t.Errorf("%s: got %q, floor %v, %v", name, got, floor, err)
			}
		}
		if _, _, err := w.hub.Message(w.Context(), "empty", w.head("empty")); !errors.Is(err, boreas.ErrNoMessage) {
			t.Errorf("an empty log: %v", err)
		}
		if _, _, err := w.hub.Message(w.Context(), "", at[0]); err == nil {
			t.Error("the empty name is a channel")
		}
	})
	// Between the offsets of an engine whose channels share a sequence there are places without a message.
	inShared(t, func(w world, _ *boreastest.Shared) {
		first := w.published("news", "1")
		w.published("other", "2")
		w.published("news", "3")
		_, _, err := w.hub.Message(w.Context(), "news", engine.Position{Epoch: first.Epoch, Offset: first.Offset + 1})
		if !errors.Is(err, boreas.ErrNoMessage) {
			t.Errorf("between two messages: %v", err)
		}
	})
}

// BenchmarkReach has a channel with 15,000 sessions. Every hundredth is blocked.
func BenchmarkReach(b *testing.B) {
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(b.Context(), 0) //nolint:errcheck // nothing depends on it
	for i := range 15_000 {
		s, c, err := boreastest.Open(hub)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Authenticate(boreastest.Grant("u", "u")); err != nil {
			b.Fatal(err)
		}
		if r := s.Join(b.Context(), []boreas.Join{{Channel: "c"}}, nil); r[0].Err != nil {
			b.Fatal(r[0].Err)
		}
		if i%100 == 0 {
			c.Bound(0)
		}
	}
	ack, err := hub.Publish(b.Context(), "c", engine.Message{Data: []byte("1")})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r := hub.Reach("c", ack.Position, 100); r.Sessions != 15_000 || len(r.Behind) != 100 {
			b.Fatalf("%d sessions, %d listed", r.Sessions, len(r.Behind))
		}
	}
}
