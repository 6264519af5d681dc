package boreastest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A SharedStore is a store that several engines use at the same time, one for each node.
type SharedStore struct {
	// Open opens one more engine on the store. The test closes it.
	Open func(t *testing.T) engine.Engine

	// Lose makes the store lose all its data while its engines are open. They must notice that, agree
	// on a new epoch and reset their followers. Nil skips this check.
	Lose func(t *testing.T)
}

// TestSharedEngine checks engines that share a store: publications of one are delivered and read at
// all of them, in the same order and with the same positions. NewStore returns a new and empty
// store. Its engines must keep at least 1,000 publications per channel, and must remember keys for
// the duration of the test. The rules of [TestEngine] are checked as well, with calls that alternate
// between two engines.
func TestSharedEngine(t *testing.T, newStore func(t *testing.T) SharedStore) {
	for _, rule := range []struct {
		name  string
		check func(*testing.T, *nodes)
	}{
		{"DeliveredAtAll", deliveredAtAll},
		{"OwnPublicationsAreRead", ownPublicationsAreRead},
		{"AcknowledgedIsNotAhead", acknowledgedIsNotAhead},
		{"PositionsResume", positionsResume},
		{"ReadsAreComplete", readsAreComplete},
		{"FollowAcross", followAcross},
		{"OneOrder", oneOrder},
		{"KeysAreShared", keysAreShared},
		{"KeysConcurrent", keysConcurrentlyShared},
		{"Batches", batchesAreShared},
		{"PurgesAreShared", purgesAreShared},
		{"LaterNode", laterNode},
		{"CloseLeavesOthers", closeLeavesOthers},
		{"EndedContexts", endedContexts},
		{"LosesStore", losesStore},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, openNodes(t, newStore(t))) })
	}
	for _, r := range engineRules {
		if r.name == "SenderIsKept" {
			continue // a session and its number belong to one node
		}
		t.Run("Alternating/"+r.name, func(t *testing.T) { r.on(t, newAlternating(openNodes(t, newStore(t)))) })
	}
}

// nodes are two engines on a store.
type nodes struct {
	SharedStore
	a, b engine.Engine
}

func openNodes(t *testing.T, s SharedStore) *nodes {
	n := &nodes{SharedStore: s}
	n.a, n.b = n.open(t), n.open(t)
	return n
}

func (n *nodes) open(t *testing.T) engine.Engine {
	e := n.Open(t)
	t.Cleanup(func() { e.Close() })
	return e
}

func (n *nodes) both() []engine.Engine { return []engine.Engine{n.a, n.b} }

// reached checks that an engine knows a position that another one has acknowledged. Afterwards its
// reads contain everything up to there.
func reached(t *testing.T, e engine.Engine, channel string, p engine.Position) {
	t.Helper()
	wantHead(t, read(t, e, channel, p, 0).Head, p)
}

// samePublications compares publications, with their times.
func samePublications(t *testing.T, what string, want, got []*engine.Publication, o ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, append(o, cmp.Comparer(bytes.Equal))...); diff != "" {
		t.Errorf("%s (-want +got): %s", what, diff)
	}
}

// sameReads checks that the engines return the same log for a channel up to a position, and returns
// it. It ignores the senders.
func sameReads(t *testing.T, channel string, last engine.Position, engines ...engine.Engine) []*engine.Publication {
	t.Helper()
	var first []*engine.Publication
	for i, e := range engines {
		reached(t, e, channel, last)
		h := read(t, e, channel, engine.Position{}, 1000)
		if i == 0 {
			first = h.Publications
		}
		samePublications(t, fmt.Sprintf("read at node %d of %s", i, channel), first, h.Publications, cmpopts.IgnoreFields(engine.Publication{}, "Sender"))
		if h.Head.Epoch != last.Epoch || h.Floor.Epoch != last.Epoch {
			t.Errorf("read at node %d: floor %v and head %v, want the epoch of %v", i, h.Floor, h.Head, last)
		}
	}
	return first
}

// deliveredAtAll publishes at both nodes in turn. Followers at both must receive each publication
// once, in order, with the position that was acknowledged. Only the node that published it knows its
// sender: the other one may have a session with the same number.
func deliveredAtAll(t *testing.T, n *nodes) {
	var all []*collector
	for _, e := range n.both() {
		c := newCollector()
		_, stop := follow(t, e, "a", c)
		defer stop()
		all = append(all, c)
	}
	const messages = 100
	var want [2][]*engine.Publication // by the node that returns it
	var last engine.Position
	for i := range messages {
		m := engine.Message{Data: fmt.Append(nil, i), Sender: uint64(i) << 40}
		ack, err := n.both()[i%2].Publish(context.Background(), "a", m)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && (ack.Position.Epoch != last.Epoch || ack.Position.Offset <= last.Offset) {
			t.Fatalf("node %d: position %v does not come after %v of the other node", i%2, ack.Position, last)
		}
		last = ack.Position
		want[i%2] = append(want[i%2], &engine.Publication{Offset: last.Offset, Data: m.Data, Sender: m.Sender})
		want[1-i%2] = append(want[1-i%2], &engine.Publication{Offset: last.Offset, Data: m.Data})
		publish(t, n.both()[i/2%2], "b", "on another channel")
	}
	kept := sameReads(t, "a", last, n.a, n.b)
	for i, p := range kept {
		if p.Time == 0 {
			t.Fatalf("publication %d has no time", i)
		}
		want[0][i].Time, want[1][i].Time = p.Time, p.Time
	}
	for i, c := range all {
		samePublications(t, fmt.Sprintf("delivered at node %d", i), want[i], c.until(t, fmt.Sprint(messages-1)))
		samePublications(t, fmt.Sprintf("read at node %d", i), want[i], read(t, n.both()[i], "a", engine.Position{}, messages).Publications)
	}
}

// ownPublicationsAreRead checks that an engine returns a publication as soon as it has acknowledged
// it, and does not deliver it to a later follower.
func ownPublicationsAreRead(t *testing.T, n *nodes) {
	for i := range 50 {
		e := n.both()[i%2]
		p := publish(t, e, "a", fmt.Sprint(i))
		h := read(t, e, "a", engine.Position{}, -1)
		wantTexts(t, "the newest after publishing", h.Publications, fmt.Sprint(i))
		wantHead(t, h.Head, p)
		c := newCollector()
		head, stop := follow(t, e, "a", c)
		wantHead(t, head, p)
		publish(t, e, "a", "next")
		wantTexts(t, "delivered", c.until(t, "next"), "next")
		stop()
	}
}

// acknowledgedIsNotAhead reads from a position at one node as soon as another one has acknowledged
// it, as a client does that reconnects.
func acknowledgedIsNotAhead(t *testing.T, n *nodes) {
	for i := range 50 {
		p := publish(t, n.both()[i%2], "a", fmt.Sprint(i))
		h := read(t, n.both()[1-i%2], "a", p, 10)
		wantTexts(t, "since the newest position", h.Publications)
		wantHead(t, h.Head, p)
		p = publish(t, n.both()[i%2], "a", "before")
		h, err := n.both()[1-i%2].Read(context.Background(), "a", engine.Position{}, engine.Limit{Messages: 1, Before: p.Offset})
		if err != nil {
			t.Fatalf("before the newest position %v: %v", p, err)
		}
		wantTexts(t, "before the newest position", h.Publications, fmt.Sprint(i))
	}
}

func positionsResume(t *testing.T, n *nodes) {
	var all []engine.Position
	for i := range 10 {
		publish(t, n.b, "b", "between")
		all = append(all, publish(t, n.a, "a", fmt.Sprint(i)))
	}
	for i, p := range all {
		var want []string
		for j := i + 1; j < len(all); j++ {
			want = append(want, fmt.Sprint(j))
		}
		for node, e := range n.both() {
			reached(t, e, "a", all[len(all)-1])
			wantTexts(t, fmt.Sprintf("node %d since %v", node, p), read(t, e, "a", p, 100).Publications, want...)
		}
	}
	for node, e := range n.both() {
		head := read(t, e, "a", engine.Position{}, 0).Head
		for _, c := range []struct {
			since engine.Position
			want  error
		}{
			{engine.Position{Epoch: head.Epoch, Offset: head.Offset + 1<<20}, engine.ErrAhead},
			{engine.Position{Epoch: head.Epoch + 1, Offset: head.Offset}, engine.ErrUnknownEpoch},
		} {
			if _, err := e.Read(context.Background(), "a", c.since, engine.Limit{Messages: 1}); !errors.Is(err, c.want) {
				t.Errorf("node %d since %v, and the head is %v: error %v, want %v", node, c.since, head, err, c.want)
			}
		}
	}
}

// readsAreComplete reads at one node while the other one publishes. Each read begins at the head of
// the one before.
func readsAreComplete(t *testing.T, n *nodes) {
	const messages = 200
	since := read(t, n.b, "a", engine.Position{}, 0).Head
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for i := range messages {
			for _, channel := range []string{"b", "a"} {
				if _, err := n.a.Publish(context.Background(), channel, engine.Message{Data: fmt.Append(nil, i)}); err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
			}
		}
	})
	for next := 0; next < messages && !t.Failed(); {
		h := read(t, n.b, "a", since, 7)
		for _, p := range h.Publications {
			if got := string(p.Data); got != fmt.Sprint(next) {
				t.Fatalf("since %v: got %s, want %d", since, got, next)
			}
			next++
		}
		since = h.Head
		if h.More {
			since.Offset = h.Publications[len(h.Publications)-1].Offset
		}
	}
}

// followAcross checks that reading up to the head from Follow, followed by the deliveries, yields
// the complete log, while another node publishes.
func followAcross(t *testing.T, n *nodes) {
	const parts, perPart = 20, 10
	begun := make(chan int)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		defer close(begun)
		for i := range parts {
			for j := range perPart {
				if _, err := n.a.Publish(context.Background(), "a", engine.Message{Data: fmt.Appendf(nil, "%d %d", i, j)}); err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
			}
			select {
			case begun <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	type follower struct {
		before []*engine.Publication
		c      *collector
	}
	var followers []follower
	for range begun {
		c := newCollector()
		head, stop := follow(t, n.b, "a", c)
		t.Cleanup(stop)
		h := read(t, n.b, "a", engine.Position{}, 1000)
		wantHead(t, h.Head, head)
		end := slices.IndexFunc(h.Publications, func(p *engine.Publication) bool { return p.Offset > head.Offset })
		if end < 0 {
			end = len(h.Publications)
		}
		followers = append(followers, follower{h.Publications[:end], c})
	}
	want := sameReads(t, "a", publish(t, n.a, "a", "end"), n.a, n.b)
	if len(want) != parts*perPart+1 {
		t.Errorf("%d publications were read, want %d", len(want), parts*perPart+1)
	}
	for i, p := range followers {
		samePublications(t, fmt.Sprintf("follower %d: read and then delivered", i), want, append(slices.Clone(p.before), p.c.until(t, "end")...))
	}
}

// oneOrder publishes on one channel at both nodes concurrently.
func oneOrder(t *testing.T, n *nodes) {
	var all []*collector
	for _, e := range n.both() {
		c := newCollector()
		_, stop := follow(t, e, "a", c)
		defer stop()
		all = append(all, c)
	}
	publishAll(t, n.a, n.b)
	want := sameReads(t, "a", publish(t, n.b, "a", "end"), n.a, n.b)
	checkAll(t, "read", want[:len(want)-1])
	for i, c := range all {
		samePublications(t, fmt.Sprintf("delivered at node %d", i), want, c.until(t, "end"))
	}
}

// batchesAreShared publishes batches at both nodes concurrently, if the engines can.
func batchesAreShared(t *testing.T, n *nodes) {
	if _, ok := n.a.(engine.Batcher); !ok {
		t.Skip("the engines publish no batches")
	}
	const items, channels = 100, 3
	var results [2][]engine.Result
	var sent [2][]engine.Item
	var wg sync.WaitGroup
	for node, e := range n.both() {
		for i := range items {
			sent[node] = append(sent[node], engine.Item{Channel: fmt.Sprint(i % channels), Message: engine.Message{Data: fmt.Append(nil, node, i)}})
		}
		wg.Go(func() { results[node] = e.(engine.Batcher).PublishMany(context.Background(), sent[node]) })
	}
	wg.Wait()
	at := make([]map[uint64]string, channels) // by offset, what was acknowledged
	last := make([]engine.Position, channels)
	for c := range channels {
		at[c] = make(map[uint64]string)
	}
	for node := range results {
		for i, r := range results[node] {
			if r.Err != nil || r.Ack.Duplicate {
				t.Fatalf("node %d, item %d: %+v", node, i, r)
			}
			c, p := i%channels, r.Ack.Position
			at[c][p.Offset] = string(sent[node][i].Message.Data)
			if p.Offset > last[c].Offset {
				last[c] = p
			}
		}
	}
	for c := range channels {
		got := make(map[uint64]string)
		for _, p := range sameReads(t, fmt.Sprint(c), last[c], n.a, n.b) {
			got[p.Offset] = string(p.Data)
		}
		if diff := cmp.Diff(at[c], got); diff != "" {
			t.Errorf("channel %d (-acknowledged +read): %s", c, diff)
		}
	}
}
