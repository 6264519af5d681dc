package boreastest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

func mustPurge(t *testing.T, e engine.Engine, channel string) engine.Position {
	t.Helper()
	at, err := e.(engine.Purger).Purge(context.Background(), channel)
	if err != nil {
		t.Fatalf("Purge(%q): %v", channel, err)
	}
	return at
}

// wantPurged checks that a read from the position reports that publications were purged.
func wantPurged(t *testing.T, e engine.Engine, channel string, since, purged engine.Position) {
	t.Helper()
	h, err := e.Read(context.Background(), channel, since, engine.Limit{Messages: 10})
	if !errors.Is(err, engine.ErrPurged) || !errors.Is(err, engine.ErrExpired) {
		t.Errorf("Read(%q, %v): error %v, want ErrPurged, which is an ErrExpired", channel, since, err)
	}
	if len(h.Publications) > 0 || h.Floor.Epoch != purged.Epoch || h.Floor.Offset <= since.Offset || h.Floor.Offset > purged.Offset || h.Head.Offset < h.Floor.Offset {
		t.Errorf("Read(%q, %v): %+v, want no publications, and a floor after that up to %v", channel, since, h, purged)
	}
}

// purged checks [engine.Purger], if the engine is one.
func purged(t *testing.T, e engine.Engine) {
	if _, ok := e.(engine.Purger); !ok {
		return
	}
	wantTexts(t, "read of a new channel after a purge", read(t, e, "new", mustPurge(t, e, "new"), 10).Publications)
	first := publish(t, e, "a", "1")
	publish(t, e, "b", "other")
	keyed := mustPublishKey(t, e, "a", "2", "k").Position
	last := publish(t, e, "a", "3")

	at := mustPurge(t, e, "a")
	if at.Epoch != last.Epoch || at.Offset < last.Offset {
		t.Fatalf("purged up to %v, want %v or later", at, last)
	}
	for _, limit := range []engine.Limit{{Messages: 10}, {Messages: -10}, {Messages: 10, Before: math.MaxUint64}} {
		h, err := e.Read(context.Background(), "a", engine.Position{}, limit)
		if err != nil || len(h.Publications) > 0 || h.More {
			t.Errorf("read with %+v after the purge: %q, more %v, %v; want nothing", limit, texts(h.Publications), h.More, err)
		}
	}
	wantPurged(t, e, "a", first, at)
	wantPurged(t, e, "a", keyed, at)
	wantTexts(t, "since the purge", read(t, e, "a", at, 10).Publications)
	if l, ok := e.(engine.Lister); ok {
		if names, err := l.ListChannels(context.Background(), "", "", 10); err != nil || !slices.Equal(names, []string{"b"}) {
			t.Errorf("channels with publications after the purge: %q, %v; want b", names, err)
		}
	}
	wantTexts(t, "the other channel", read(t, e, "b", engine.Position{}, 10).Publications, "other")
	if again := mustPurge(t, e, "a"); again.Epoch != at.Epoch || again.Offset < at.Offset {
		t.Errorf("purged again up to %v, and first up to %v", again, at)
	}
	if ack := mustPublishKey(t, e, "a", "2", "k"); ack.Position != keyed || !ack.Duplicate {
		t.Errorf("the key of a purged message: got %+v, want a duplicate of %v", ack, keyed)
	}

	at = mustPurge(t, e, "a")
	if p := publish(t, e, "a", "4"); p.Epoch != at.Epoch || p.Offset <= at.Offset {
		t.Errorf("the next message is at %v, and %v was purged", p, at)
	}
	publish(t, e, "a", "5")
	wantTexts(t, "all", read(t, e, "a", engine.Position{}, 10).Publications, "4", "5")
	wantTexts(t, "since the purge", read(t, e, "a", at, 10).Publications, "4", "5")
	wantTexts(t, "the newest", read(t, e, "a", engine.Position{}, -1).Publications, "5")
	wantPurged(t, e, "a", first, at)
}

// purgedUnnoticed checks that followers get everything, in order, and learn nothing of a purge.
func purgedUnnoticed(t *testing.T, e engine.Engine) {
	if _, ok := e.(engine.Purger); !ok {
		return
	}
	c := newCollector()
	_, stop := follow(t, e, "a", c)
	defer stop()
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint(i))
		publish(t, e, "a", want[i])
		if i%3 == 2 {
			mustPurge(t, e, "a")
		}
	}
	wantTexts(t, "delivered", c.until(t, "19"), want...)
}

// purgedWhilePublishing purges a channel again and again while others publish on it. A reader must find
// exactly what was published after the last purge.
func purgedWhilePublishing(t *testing.T, e engine.Engine) {
	if _, ok := e.(engine.Purger); !ok {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { publishAll(t, e) })
	var at engine.Position
	for range 20 {
		at = mustPurge(t, e, "a")
	}
	wg.Wait()
	for _, p := range read(t, e, "a", engine.Position{}, publishers*perEach+1).Publications {
		if p.Offset <= at.Offset {
			t.Fatalf("the message at %d is read, and everything up to %v was purged", p.Offset, at)
		}
	}
	at = mustPurge(t, e, "a")
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint(i))
		publish(t, e, "a", want[i])
	}
	wantTexts(t, "since the last purge", read(t, e, "a", at, 1000).Publications, want...)
	wantTexts(t, "read", read(t, e, "a", engine.Position{}, 1000).Publications, want...)
}

// purgesAreShared checks [engine.Purger], if the engines are.
func purgesAreShared(t *testing.T, n *nodes) {
	if _, ok := n.a.(engine.Purger); !ok {
		return
	}
	var all []*collector
	for _, e := range n.both() {
		c := newCollector()
		_, stop := follow(t, e, "a", c)
		defer stop()
		all = append(all, c)
	}
	var want []string
	var first, at engine.Position
	for i := range 12 {
		p := publish(t, n.both()[i%2], "a", fmt.Sprint(i))
		if want = append(want, fmt.Sprint(i)); i == 0 {
			first = p
		}
		if i%5 == 4 {
			at = mustPurge(t, n.both()[i/5%2], "a")
		}
	}
	last := publish(t, n.a, "b", "other")
	later := n.open(t)
	for i, e := range append(n.both(), later) {
		reached(t, e, "b", last)
		wantTexts(t, fmt.Sprintf("read at node %d", i), read(t, e, "a", engine.Position{}, 100).Publications, "10", "11")
		wantTexts(t, fmt.Sprintf("since the purge, at node %d", i), read(t, e, "a", at, 100).Publications, "10", "11")
		wantPurged(t, e, "a", first, at)
	}
	for i, c := range all {
		wantTexts(t, fmt.Sprintf("delivered at node %d", i), c.until(t, "11"), want...)
	}
}
