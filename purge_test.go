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
)

func (w world) purge(channel string) engine.Position {
	w.Helper()
	at, err := w.hub.Purge(context.Background(), channel)
	if err != nil {
		w.Fatal(err)
	}
	return at
}

// clauses 4.8, 5.4: subscribers that are up to date notice nothing of a purge, and whoever resumes from
// before it gets a gap that says so.
func TestPurge(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		_, current := w.announced("news")
		w.publishUpTo("news", 1, 4)
		head := w.head("news")
		if at := w.purge("news"); at != head {
			t.Errorf("purged up to %v, want %v", at, head)
		}
		since := engine.Position{Epoch: head.Epoch, Offset: 2 * offsetStep}
		late, lateConn := w.announced()
		w.joins(late, boreas.Join{Channel: "news", Since: since})
		recent, recentConn := w.announced()
		w.joins(recent, boreas.Join{Channel: "news", Since: head})
		last, lastConn := w.announced()
		w.joins(last, boreas.Join{Channel: "news", Last: 3})
		w.publish("news", "5")
		w.want(current, span("news", 1, 5)...)
		w.want(lateConn, "joined news@4 gap purged 2-4 oldest 4", "news 5 5")
		w.want(recentConn, "joined news@4 recovered", "news 5 5")
		w.want(lastConn, "joined news@4", "news 5 5")
		if got, want := w.hub.Stats().Gaps, (boreas.Gaps{Purged: 1}); got != want {
			t.Errorf("gaps: %+v, want %+v", got, want)
		}
	})
}

// A slow session whose messages are not in the window any more gets a gap for those that were purged, as
// often as that happens: purges are not its fault.
func TestPurgeBeforeASlowReader(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		_, c := w.announced("news")
		var want []string
		for next := 1; next < 20*3001; next += 3001 {
			c.Bound(0)
			w.publishUpTo("news", next, next+2999) // more than a window
			w.settle()
			w.purge("news")
			w.publish("news", fmt.Sprint(next+3000))
			w.settle()
			c.Unbound()
			w.settle()
			want = append(want, fmt.Sprintf("news gap purged %d-%d", next-1, next+2999), fmt.Sprintf("news %d %[1]d", next+3000))
		}
		w.want(c, want...)
		if gaps, want := w.hub.Stats().Gaps, (boreas.Gaps{Purged: 20}); gaps != want {
			t.Errorf("gaps: %+v, want %+v", gaps, want)
		}
	})
}

func TestPurgeErrors(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		if _, err := w.hub.Purge(context.Background(), ""); !errors.Is(err, access.ErrChannelName) {
			t.Errorf("no name: %v", err)
		}
		w.hub.Shutdown(context.Background(), 0)
		if _, err := w.hub.Purge(context.Background(), "news"); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("after Shutdown: %v", err)
		}
	})
	inShared(t, func(w world, _ *boreastest.Shared) {
		if _, err := w.hub.Purge(context.Background(), "news"); !errors.Is(err, boreas.ErrNoPurge) {
			t.Errorf("an engine without Purge: %v", err)
		}
	})
}
