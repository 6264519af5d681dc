package boreastest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestDurableEngine checks that an engine keeps what it has acknowledged when it is closed and
// opened again. Open opens the engine in a directory, which is empty at first. It must keep at least
// 1,000 publications per channel, and must remember keys for the duration of the test. TestEngine
// checks everything else.
func TestDurableEngine(t *testing.T, open func(t *testing.T, dir string) engine.Engine) {
	for _, rule := range []struct {
		name  string
		check func(*testing.T, *durable)
	}{
		{"MessagesSurvive", messagesSurvive},
		{"PositionsSurvive", positionsSurvive},
		{"OffsetsGoOn", offsetsGoOn},
		{"KeysSurvive", keysSurvive},
		{"BatchesSurvive", batchesSurvive},
		{"PurgesSurvive", purgesSurvive},
		{"FollowAfterReopening", followAfterReopening},
		{"ConcurrentPublishersSurvive", concurrentPublishersSurvive},
		{"LargeMessagesSurvive", largeMessagesSurvive},
	} {
		t.Run(rule.name, func(t *testing.T) {
			d := &durable{open: open, dir: t.TempDir()}
			d.Engine = open(t, d.dir)
			t.Cleanup(func() { d.Close() })
			rule.check(t, d)
		})
	}
}

// durable is an engine that a test opens again.
type durable struct {
	engine.Engine
	open func(t *testing.T, dir string) engine.Engine
	dir  string
}

func (d *durable) reopen(t *testing.T) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	d.Engine = d.open(t, d.dir)
}

// same checks that a read returns what it returned before the engine was opened again.
func (d *durable) same(t *testing.T, channel string, since engine.Position, before engine.History) {
	t.Helper()
	if diff := cmp.Diff(before, read(t, d, channel, since, 1000), cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("%s since %v, opened again (-before +after): %s", channel, since, diff)
	}
}

// messagesSurvive compares whole histories: data, offsets, times, senders, floor and head.
func messagesSurvive(t *testing.T, d *durable) {
	for range 3 {
		for i := range 20 {
			for _, channel := range []string{"a", "b", "a b/ü"} {
				if _, err := d.Publish(context.Background(), channel, engine.Message{Data: fmt.Appendf(nil, `"%s %d"`, channel, i), Sender: uint64(i) << 40}); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := map[string]engine.History{}
		for _, channel := range []string{"a", "b", "a b/ü"} {
			before[channel] = read(t, d, channel, engine.Position{}, 1000)
		}
		d.reopen(t)
		for channel, h := range before {
			d.same(t, channel, engine.Position{}, h)
		}
	}
}

func positionsSurvive(t *testing.T, d *durable) {
	var all []engine.Position
	for i := range 10 {
		all = append(all, publish(t, d, "a", fmt.Sprint(i)))
	}
	d.reopen(t)
	for i, p := range all {
		var want []string
		for j := i + 1; j < len(all); j++ {
			want = append(want, fmt.Sprint(j))
		}
		wantTexts(t, fmt.Sprintf("since %v", p), read(t, d, "a", p, 100).Publications, want...)
		h, err := d.Read(context.Background(), "a", engine.Position{}, engine.Limit{Messages: 1, Before: p.Offset})
		if err != nil {
			t.Fatalf("before %v: %v", p, err)
		}
		if i == 0 {
			wantTexts(t, "before the first position", h.Publications)
			continue
		}
		wantTexts(t, fmt.Sprintf("before %v", p), h.Publications, fmt.Sprint(i-1))
	}
	head := read(t, d, "a", engine.Position{}, 0).Head
	for _, c := range []struct {
		since engine.Position
		want  error
	}{
		{engine.Position{Epoch: head.Epoch, Offset: head.Offset + 1}, engine.ErrAhead},
		{engine.Position{Epoch: head.Epoch + 1, Offset: head.Offset}, engine.ErrUnknownEpoch},
	} {
		if _, err := d.Read(context.Background(), "a", c.since, engine.Limit{Messages: 1}); !errors.Is(err, c.want) {
			t.Errorf("since %v, and the head is %v: error %v, want %v", c.since, head, err, c.want)
		}
	}
}

// offsetsGoOn checks that no offset is given away twice, and the epoch stays.
func offsetsGoOn(t *testing.T, d *durable) {
	last := publish(t, d, "a", "0")
	for i := range 5 {
		if i%2 == 0 { // a reopening without messages between
			d.reopen(t)
		}
		d.reopen(t)
		p := publish(t, d, "a", fmt.Sprint(i+1))
		if p.Epoch != last.Epoch || p.Offset <= last.Offset {
			t.Fatalf("opened again: position %v does not come after %v", p, last)
		}
		last = p
	}
	wantTexts(t, "read", read(t, d, "a", engine.Position{}, 100).Publications, "0", "1", "2", "3", "4", "5")
}

func keysSurvive(t *testing.T, d *durable) {
	first := mustPublishKey(t, d, "a", "1", "k")
	for i := range 2 {
		d.reopen(t)
		if again, want := mustPublishKey(t, d, "a", "1", "k"), (engine.Ack{Position: first.Position, Duplicate: true}); again != want {
			t.Errorf("the same message, opened again: got %+v, want %+v", again, want)
		}
		if _, err := publishKey(d, "a", "2", "k"); !errors.Is(err, engine.ErrKeyReused) {
			t.Errorf("another message with the key, opened again: error %v, want ErrKeyReused", err)
		}
		if ack, known := mustPublishKey(t, d, "b", "1", "k"), i > 0; ack.Duplicate != known {
			t.Errorf("the key on another channel: got %+v, want a duplicate: %v", ack, known)
		}
	}
	wantTexts(t, "read", read(t, d, "a", engine.Position{}, 10).Publications, "1")
	wantTexts(t, "read of b", read(t, d, "b", engine.Position{}, 10).Publications, "1")
}

func batchesSurvive(t *testing.T, d *durable) {
	b, ok := d.Engine.(engine.Batcher)
	if !ok {
		return
	}
	var items []engine.Item
	for i := range 100 {
		items = append(items, engine.Item{Channel: fmt.Sprint("c", i%3), Message: engine.Message{Data: fmt.Append(nil, i), Key: fmt.Sprint(i / 6)}})
	}
	first := b.PublishMany(context.Background(), items)
	before := read(t, d, "c0", engine.Position{}, 1000)
	d.reopen(t)
	d.same(t, "c0", engine.Position{}, before)
	for i, again := range d.Engine.(engine.Batcher).PublishMany(context.Background(), items) {
		want := first[i]
		want.Ack.Duplicate = want.Err == nil
		if again.Ack != want.Ack || !errors.Is(again.Err, want.Err) {
			t.Errorf("item %d again: got %+v, want %+v", i, again, want)
		}
	}
}

// purgesSurvive checks [engine.Purger], if the engine is one.
func purgesSurvive(t *testing.T, d *durable) {
	if _, ok := d.Engine.(engine.Purger); !ok {
		return
	}
	first := publish(t, d, "a", "1")
	keyed := mustPublishKey(t, d, "a", "2", "k").Position
	publish(t, d, "b", "other")
	at := mustPurge(t, d.Engine, "a")
	for range 2 {
		d.reopen(t)
		wantTexts(t, "purged, and opened again", read(t, d, "a", engine.Position{}, 10).Publications)
		wantPurged(t, d, "a", first, at)
		if ack := mustPublishKey(t, d, "a", "2", "k"); ack.Position != keyed || !ack.Duplicate {
			t.Errorf("the key of a purged message, opened again: got %+v, want a duplicate of %v", ack, keyed)
		}
	}
	if p := publish(t, d, "a", "3"); p.Epoch != at.Epoch || p.Offset <= at.Offset {
		t.Errorf("the next message is at %v, and %v was purged", p, at)
	}
	d.reopen(t)
	wantTexts(t, "read", read(t, d, "a", engine.Position{}, 10).Publications, "3")
	wantTexts(t, "read of b", read(t, d, "b", engine.Position{}, 10).Publications, "other")
	wantPurged(t, d, "a", first, at)
}

func followAfterReopening(t *testing.T, d *durable) {
	p := publish(t, d, "a", "before")
	d.reopen(t)
	c := newCollector()
	head, stop := follow(t, d, "a", c)
	defer stop()
	wantHead(t, head, p)
	publish(t, d, "a", "1")
	publish(t, d, "a", "2")
	wantTexts(t, "delivered", c.wait(t, 2), "1", "2")
	wantTexts(t, "read since the message before", read(t, d, "a", p, 10).Publications, "1", "2")
}

func concurrentPublishersSurvive(t *testing.T, d *durable) {
	publishAll(t, d)
	before := read(t, d, "a", engine.Position{}, 1000)
	checkAll(t, "read", before.Publications)
	d.reopen(t)
	d.same(t, "a", engine.Position{}, before)
}

// largeMessagesSurvive publishes messages around sizes at which a store may change its ways.
func largeMessagesSurvive(t *testing.T, d *durable) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 65_535, 65_536, 1<<20 - 1, 1 << 20, 3 << 20} {
		data := make([]byte, size)
		for i := range data {
			data[i] = "0123456789"[(i+size)%10]
		}
		publish(t, d, "a", string(data))
	}
	before := read(t, d, "a", engine.Position{}, 1000)
	d.reopen(t)
	d.same(t, "a", engine.Position{}, before)
}
