package boreas_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas"
)

func TestListSessions(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		want := map[string]boreas.SessionInfo{}
		for range 100 {
			s, _ := w.announced("news", "sport")
			want[s.ID()] = boreas.SessionInfo{ID: s.ID(), User: "u", TokenID: "id of user", Since: time.Now(), Channels: []string{"news", "sport"}}
		}
		got := map[string]boreas.SessionInfo{}
		after, pages := "", 0
		for more := true; more; pages++ {
			var list []boreas.SessionInfo
			var err error
			list, more, err = w.hub.ListSessions(after, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, info := range list {
				got[info.ID] = info
				after = info.ID
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || pages != 15 {
			t.Errorf("%d pages: %s", pages, diff)
		}
		info, err := w.hub.SessionInfo(after)
		if diff := cmp.Diff(want[after], info); diff != "" || err != nil {
			t.Error(err, diff)
		}
		if err := w.hub.EndSession(after, boreas.ErrTerminated); err != nil {
			t.Error(err)
		}
		w.settle()
		live, _ := w.announced()
		padded := "s_0" + live.ID()[2:] // each session has one name
		for _, id := range []string{after, padded, strings.ToUpper(live.ID()), "", "s_", "s_0", "s_00", "x", "s_ffffffffffffffffffff"} {
			if _, err := w.hub.SessionInfo(id); err != boreas.ErrNoSession {
				t.Errorf("%q: %v", id, err)
			}
			if err := w.hub.EndSession(id, boreas.ErrTerminated); err != boreas.ErrNoSession {
				t.Errorf("%q: %v", id, err)
			}
		}
		if _, _, err := w.hub.ListSessions("x", 1); err != boreas.ErrNoSession {
			t.Errorf("after x: %v", err)
		}
	})
}

func TestListChannels(t *testing.T) {
	ctx := context.Background()
	inWorld(t, boreas.Options{}, func(w world) {
		w.announced("a.1", "a.2", "b")
		w.announced("a.1")
		w.publishUpTo("a.2", 1, 3)
		head := w.head("a.2")
		start := boreas.Position{Epoch: head.Epoch}
		want := []boreas.ChannelInfo{
			{Name: "a.1", Subscribers: 2, Head: start, Oldest: start},
			{Name: "a.2", Subscribers: 1, Head: head, Oldest: start},
		}
		list, more, err := w.hub.ListChannels(ctx, "a.", "", 10)
		if diff := cmp.Diff(want, list); diff != "" || more || err != nil {
			t.Error(more, err, diff)
		}
		list, more, err = w.hub.ListChannels(ctx, "", "a.1", 1)
		if diff := cmp.Diff(want[1:], list); diff != "" || !more || err != nil {
			t.Error(more, err, diff)
		}
		if _, err := w.hub.Channel(ctx, ""); !errors.Is(err, boreas.ErrChannelName) {
			t.Error(err)
		}
	})
}
