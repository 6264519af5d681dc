package boreas_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

func TestSessionsThatAreBehind(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		blocked := func(channels ...string) *boreas.Session {
			s, c := w.subscriber(channels...)
			c.Bound(0)
			w.pass(time.Second)
			return s
		}
		slow := blocked("news", "sport")
		slower := blocked("news", "sport", "rare")
		quick, _ := w.subscriber("news", "quiet")
		news, sport, rare, quiet := w.head("news"), w.head("sport"), w.head("rare"), w.head("quiet")
		w.publishUpTo("sport", 1, 3)
		w.pass(2 * time.Second)
		w.publishUpTo("news", 1, 5)
		w.publishUpTo("rare", 1, 1)
		w.joins(quick, boreas.Join{Channel: "sport", Since: engine.Position{Epoch: 5, Offset: 1}}) // gets a gap

		slowInfo := boreas.SessionInfo{ID: slow.ID(), Channels: []string{"news", "sport"}, Behind: 8, Blocked: 2 * time.Second}
		slowerInfo := boreas.SessionInfo{ID: slower.ID(), Channels: []string{"news", "sport", "rare"}, Behind: 9, Blocked: 2 * time.Second}
		quickInfo := boreas.SessionInfo{ID: quick.ID(), Channels: []string{"news", "quiet", "sport"}, Sent: 5, Gaps: 1}
		unknown := cmpopts.IgnoreFields(boreas.SessionInfo{}, "User", "TokenID", "Since")
		same := func(what string, want, got any) {
			t.Helper()
			if diff := cmp.Diff(want, got, unknown); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		list := func(infos ...boreas.SessionInfo) []boreas.SessionInfo { return infos }
		same("most behind", list(slowerInfo, slowInfo, quickInfo), w.hub.TopSessions(boreas.MostBehind, 10, nil))
		same("the first of them", list(slowerInfo), w.hub.TopSessions(boreas.MostBehind, 1, nil))
		same("newest first", list(quickInfo, slowerInfo), w.hub.TopSessions(boreas.NewestFirst, 2, nil))
		same("of a user", []boreas.SessionInfo{}, w.hub.TopSessions(boreas.MostBehind, 10, func(user, _ string) bool { return user == "nobody" }))

		all, _, err := w.hub.ListSessions("", 10)
		if err != nil {
			t.Fatal(err)
		}
		behind := make(map[string]int)
		for _, s := range all {
			behind[s.ID] = s.Behind
		}
		same("in the list", map[string]int{slow.ID(): 8, slower.ID(): 9, quick.ID(): 0}, behind)

		slowerInfo.Places = []boreas.Place{{"news", news, 5}, {"sport", sport, 3}, {"rare", rare, 1}}
		info, err := w.hub.SessionInfo(slower.ID())
		if err != nil {
			t.Fatal(err)
		}
		same("one session", slowerInfo, info)
		quickInfo.Places = []boreas.Place{{"news", w.head("news"), 0}, {"quiet", quiet, 0}, {"sport", w.head("sport"), 0}}
		if info, err = w.hub.SessionInfo(quick.ID()); err != nil {
			t.Fatal(err)
		}
		same("a session that is up to date", quickInfo, info)

		slower.End(boreas.ErrTerminated)
		w.settle()
		quickInfo.Places = nil
		same("after one has ended", list(slowInfo, quickInfo), w.hub.TopSessions(boreas.MostBehind, 10, nil))
	})
}

// A connection that takes some bytes is blocked since then, and no longer once it takes all.
func TestBlockedSince(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		blocked := func(want time.Duration) {
			t.Helper()
			info, err := w.hub.SessionInfo(s.ID())
			if err != nil || info.Blocked != want {
				t.Errorf("blocked for %v, want %v (%v)", info.Blocked, want, err)
			}
		}
		blocked(0)
		c.Bound(3)
		w.publish("news", "1")
		w.pass(4 * time.Second)
		blocked(4 * time.Second)
		c.Bound(1)
		w.pass(time.Second)
		blocked(time.Second)
		w.pass(time.Second)
		blocked(2 * time.Second)
		c.Unbound()
		w.settle()
		blocked(0)
	})
}

// BenchmarkTopSessions has 15,000 sessions with 10 of 1,000 channels each. Every hundredth is blocked.
func BenchmarkTopSessions(b *testing.B) {
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
		for k := range 10 {
			if r := s.Join(b.Context(), []boreas.Join{{Channel: fmt.Sprint("c", (i+k)%1000)}}, nil); r[0].Err != nil {
				b.Fatal(r[0].Err)
			}
		}
		if i%100 == 0 {
			c.Bound(0)
		}
	}
	for k := range 10_000 {
		if _, err := hub.Publish(b.Context(), fmt.Sprint("c", k%1000), engine.Message{Data: []byte("1")}); err != nil {
			b.Fatal(err)
		}
	}
	for _, order := range []boreas.SessionOrder{boreas.MostBehind, boreas.NewestFirst} {
		b.Run(fmt.Sprint(order), func(b *testing.B) {
			for b.Loop() {
				hub.TopSessions(order, 100, nil)
			}
		})
	}
}
