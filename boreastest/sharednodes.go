package boreastest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// The rules of [TestSharedEngine] about keys, and about nodes that come, go, and lose their store.

func keysAreShared(t *testing.T, n *nodes) {
	var last engine.Position
	for i, pair := range [][2]engine.Engine{{n.a, n.b}, {n.b, n.a}} {
		key, data := fmt.Sprint("key ", i), fmt.Sprint(i)
		first := mustPublishKey(t, pair[0], "a", data, key)
		if first.Duplicate {
			t.Error("the first message with a key is called a duplicate")
		}
		for _, e := range []engine.Engine{pair[1], pair[0]} {
			if again, want := mustPublishKey(t, e, "a", data, key), (engine.Ack{Position: first.Position, Duplicate: true}); again != want {
				t.Errorf("the same message again: got %+v, want %+v", again, want)
			}
			if ack, err := publishKey(e, "a", "another", key); !errors.Is(err, engine.ErrKeyReused) {
				t.Errorf("another message with the key: got %+v, %v; want ErrKeyReused", ack, err)
			}
		}
		if ack := mustPublishKey(t, pair[1], fmt.Sprint("b", i), data, key); ack.Duplicate {
			t.Error("on another channel: called a duplicate")
		}
		last = first.Position
	}
	wantTexts(t, "read", sameReads(t, "a", last, n.a, n.b), "0", "1")
}

func keysConcurrentlyShared(t *testing.T, n *nodes) { keysConcurrent(t, n.a, n.b) }

// laterNode opens a third engine on a store that has a history.
func laterNode(t *testing.T, n *nodes) {
	var all []engine.Position
	for i := range 20 {
		all = append(all, mustPublishKey(t, n.both()[i%2], "a", fmt.Sprint(i), fmt.Sprint(i)).Position)
	}
	c := n.open(t)
	wantTexts(t, "since a position before it was opened", read(t, c, "a", all[16], 10).Publications, "17", "18", "19")
	sameReads(t, "a", all[19], n.a, n.b, c)
	if again, want := mustPublishKey(t, c, "a", "7", "7"), (engine.Ack{Position: all[7], Duplicate: true}); again != want {
		t.Errorf("a message with a key from before it was opened: got %+v, want %+v", again, want)
	}
	var followers []*collector
	for _, e := range []engine.Engine{n.a, n.b, c} {
		reached(t, e, "a", all[19])
		f := newCollector()
		_, stop := follow(t, e, "a", f)
		defer stop()
		followers = append(followers, f)
	}
	publish(t, c, "a", "of the later node")
	publish(t, n.a, "a", "of the first node")
	for i, f := range followers {
		wantTexts(t, fmt.Sprintf("delivered at node %d", i), f.until(t, "of the first node"), "of the later node", "of the first node")
	}
}

// closeLeavesOthers closes one engine. The other one goes on, and knows its publications and keys.
func closeLeavesOthers(t *testing.T, n *nodes) {
	first := mustPublishKey(t, n.a, "a", "1", "k")
	reached(t, n.b, "a", first.Position)
	f := newCollector()
	_, stop := follow(t, n.b, "a", f)
	defer stop()
	if err := n.a.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if _, err := n.a.Publish(context.Background(), "a", engine.Message{Data: []byte("0")}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Publish after Close: %v, want ErrClosed", err)
	}
	if again, want := mustPublishKey(t, n.b, "a", "1", "k"), (engine.Ack{Position: first.Position, Duplicate: true}); again != want {
		t.Errorf("a message of the closed engine again: got %+v, want %+v", again, want)
	}
	publish(t, n.b, "a", "2")
	last := publish(t, n.open(t), "a", "3")
	wantTexts(t, "delivered", f.until(t, "3"), "2", "3")
	wantTexts(t, "read", sameReads(t, "a", last, n.b), "1", "2", "3")
}

// endedContexts makes calls whose context has ended. Their outcome is open, but they return, and
// both nodes agree on it.
func endedContexts(t *testing.T, n *nodes) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	head := read(t, n.a, "a", engine.Position{}, 0).Head
	ahead := engine.Position{Epoch: head.Epoch, Offset: head.Offset + 1<<20}
	for i := range 20 {
		e := n.both()[i%2]
		if _, err := e.Publish(ctx, "a", engine.Message{Data: []byte("with an ended context")}); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Publish: error %v, want none or that of the context", err)
		}
		if _, err := e.Read(ctx, "a", engine.Position{}, engine.Limit{Messages: 1}); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Read: error %v, want none or that of the context", err)
		}
		if _, err := e.Read(ctx, "a", ahead, engine.Limit{Messages: 1}); !errors.Is(err, engine.ErrAhead) && !errors.Is(err, context.Canceled) {
			t.Errorf("Read of a position ahead: error %v, want ErrAhead or that of the context", err)
		}
		_, stop, err := e.Follow(ctx, "a", DeliverFunc(func(*engine.Publication) {}))
		switch {
		case err == nil:
			stop()
		case !errors.Is(err, context.Canceled):
			t.Errorf("Follow: error %v, want none or that of the context", err)
		}
	}
	publish(t, n.b, "a", "first")
	got := sameReads(t, "a", publish(t, n.a, "a", "second"), n.a, n.b)
	got = slices.DeleteFunc(got, func(p *engine.Publication) bool { return strings.HasPrefix(string(p.Data), "with") })
	wantTexts(t, "read", got, "first", "second")
}

// losesStore makes the store lose its data. Each follower is told once, and positions from before
// are known as such.
func losesStore(t *testing.T, n *nodes) {
	if n.Lose == nil {
		t.Skip("the store cannot lose its data")
	}
	var old engine.Position
	channels := []string{"a", "b", "never published on"}
	for i := range 20 {
		old = publish(t, n.a, channels[i%2], fmt.Sprint(i))
	}
	var all []*resetCollector
	for _, e := range n.both() {
		reached(t, e, "a", old)
		for _, channel := range channels {
			c := &resetCollector{collector: newCollector()}
			_, stop, err := e.Follow(context.Background(), channel, c)
			if err != nil {
				t.Fatalf("Follow(%q): %v", channel, err)
			}
			defer stop()
			all = append(all, c)
		}
	}
	n.Lose(t)
	var now engine.Position
	for i, c := range all {
		head := c.reset(t)
		if i == 0 {
			now = head
		}
		if head.Epoch != now.Epoch || head.Epoch == old.Epoch || head.IsZero() {
			t.Errorf("follower %d: a reset to %v, want the epoch of %v, which is not %d", i, head, now, old.Epoch)
		}
	}
	for node, e := range n.both() {
		for _, channel := range channels {
			if h, err := e.Read(context.Background(), channel, old, engine.Limit{Messages: 1}); !errors.Is(err, engine.ErrUnknownEpoch) || h.Head.Epoch != now.Epoch {
				t.Errorf("node %d, %s since an old position: head %v, error %v; want the epoch %d and ErrUnknownEpoch", node, channel, h.Head, err, now.Epoch)
			}
		}
	}
	for _, channel := range channels {
		p := publish(t, n.b, channel, "after")
		if p.Epoch != now.Epoch || p.Offset <= now.Offset {
			t.Errorf("%s: position %v does not come after the reset to %v", channel, p, now)
		}
		last := publish(t, n.a, channel, "end")
		wantTexts(t, "read of "+channel, sameReads(t, channel, last, n.a, n.b), "after", "end")
	}
	for i, c := range all {
		c.until(t, "end")
		c.mu.Lock()
		if diff := cmp.Diff([]string{"reset", "after", "end"}, c.events); diff != "" {
			t.Errorf("follower %d (-want +got): %s", i, diff)
		}
		c.mu.Unlock()
	}
}

// resetCollector collects what a follower receives, with resets.
type resetCollector struct {
	*collector
	events []string          // guarded by mu: the texts of publications, and "reset"
	heads  []engine.Position // guarded by mu: of the resets
}

// Deliver implements [engine.Follower].
func (c *resetCollector) Deliver(p *engine.Publication) {
	c.mu.Lock()
	c.events = append(c.events, string(p.Data))
	c.mu.Unlock()
	c.deliver(p)
}

// Reset implements [engine.Follower].
func (c *resetCollector) Reset(head engine.Position, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	event := "reset"
	if reason == nil {
		event = "reset without a reason"
	}
	c.events, c.heads = append(c.events, event), append(c.heads, head)
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// reset waits for the first reset and returns its head.
func (c *resetCollector) reset(t *testing.T) (head engine.Position) {
	t.Helper()
	c.await(t, func([]*engine.Publication) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.heads) == 0 {
			return false
		}
		head = c.heads[0]
		return true
	})
	return head
}
