//go:build unix

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A ledger has the messages of a stream, as publishers and followers saw them.
type ledger struct {
	mu     sync.Mutex
	texts  map[engine.Position]string // by everybody
	acked  map[engine.Position]string
	failed map[string]error // by text
	wrong  []string         // positions that stand for two messages
}

// note records that a position stands for a message.
func (l *ledger) note(who string, at engine.Position, text string) {
	if before, ok := l.texts[at]; ok && before != text {
		l.wrong = append(l.wrong, fmt.Sprintf("%s: %v is %q, and was %q", who, at, text, before))
	}
	l.texts[at] = text
}

// publish publishes at an engine until ctx ends.
func (l *ledger) publish(ctx context.Context, e *cluster.Engine, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		text := fmt.Sprint(name, " ", n)
		ack, err := e.Publish(context.WithoutCancel(ctx), loadChannel, engine.Message{Data: []byte(text), Key: text})
		l.mu.Lock()
		if err != nil {
			l.failed[text] = err
		} else {
			l.acked[ack.Position] = text
			l.note("publisher "+name, ack.Position, text)
		}
		l.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

// Somebody deletes the stream, or puts an older copy in its place, while nodes publish. All nodes begin one new
// epoch, and say so to their followers. No position stands for two messages.
func TestReplacedUnderLoad(t *testing.T) {
	needFaults(t)
	remove := func(t *testing.T, js jetstream.JetStream) {
		t.Helper()
		if err := js.DeleteStream(t.Context(), "BOREAS"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		gaps    int // that a follower gets at most
		replace func(t *testing.T, js jetstream.JetStream, restore func())
	}{
		{"deleted", 2, func(t *testing.T, js jetstream.JetStream, _ func()) { remove(t, js) }},
		{"restored", 1, func(t *testing.T, js jetstream.JetStream, restore func()) {
			remove(t, js)
			restore()
		}},
		{"restored later", 4, func(t *testing.T, js jetstream.JetStream, restore func()) {
			remove(t, js)
			time.Sleep(5 * time.Second) // the nodes make a new one
			remove(t, js)
			restore()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			servers := natstest.StartCluster(t, 3)
			nc, js := dial(t, natstest.URLs(servers...)...)
			l := &ledger{texts: map[engine.Position]string{}, acked: map[engine.Position]string{}, failed: map[string]error{}}
			var nodes []*cluster.Engine
			var followers []*follower
			var heads []engine.Position
			for i := range servers {
				e := open(t, cluster.Options{Servers: node(fmt.Sprint("n", i)), Messages: 100_000}, natstest.URLs(servers[i], servers[(i+1)%3])...)
				f, head := follow(t, e, loadChannel)
				nodes, followers, heads = append(nodes, e), append(followers, f), append(heads, head)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var publishing sync.WaitGroup
			for i, e := range nodes {
				for p := range 4 {
					publishing.Go(func() { l.publish(ctx, e, fmt.Sprint(i, " ", p)) })
				}
			}
			time.Sleep(time.Second)
			snapshot, err := natstest.TakeSnapshot(t.Context(), nc, "BOREAS")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			c.replace(t, js, func() {
				if err := snapshot.Restore(t.Context(), nc); err != nil {
					t.Fatal(err)
				}
			})
			before := heads[0].Epoch
			eventually(t, "all nodes are in one new epoch", func() bool {
				epoch := nodes[0].Status().Epoch
				return epoch != before && epoch == nodes[1].Status().Epoch && epoch == nodes[2].Status().Epoch
			})
			time.Sleep(3 * time.Second)
			cancel()
			publishing.Wait()
			last := publish(t, nodes[0], loadChannel, "last")
			for i, f := range followers {
				eventually(t, fmt.Sprintf("node %d has everything", i), func() bool { return nodes[i].Status().At >= last.Offset })
				if gaps := f.resets(); len(gaps) == 0 || len(gaps) > c.gaps {
					t.Errorf("node %d: gaps %v, want from 1 to %d", i, gaps, c.gaps)
				}
				l.check(t, fmt.Sprintf("node %d", i), heads[i], f)
			}
			for _, text := range l.wrong[:min(len(l.wrong), 5)] {
				t.Error(text)
			}
			for text, err := range l.failed {
				if !errors.Is(err, engine.ErrUnavailable) {
					t.Errorf("%s: %v", text, err)
				}
			}
			t.Logf("%d acknowledged, %d failed, %d wrong, gaps %v", len(l.acked), len(l.failed), len(l.wrong), followers[0].resets())
		})
	}
}

// check compares the messages of a follower with the acknowledged ones: between two gaps nothing is missing and nothing
// comes twice.
func (l *ledger) check(t *testing.T, name string, head engine.Position, f *follower) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	gaps := append(slices.Clone(f.gaps), gap{After: len(f.pubs)})
	n := 0
	for i, g := range gaps {
		got := map[uint64]string{}
		at := head.Offset
		for ; n < g.After; n++ {
			p := f.pubs[n]
			if p.Offset <= at {
				t.Errorf("%s: %d comes after %d", name, p.Offset, at)
			}
			at = p.Offset
			got[at] = string(p.Data)
			l.note(name, engine.Position{Epoch: head.Epoch, Offset: at}, string(p.Data))
		}
		if i == len(gaps)-1 { // everything after the last gap
			at = 1 << 62
		}
		var missing []string
		for p, text := range l.acked {
			if p.Epoch == head.Epoch && p.Offset > head.Offset && p.Offset <= at && got[p.Offset] != text {
				missing = append(missing, fmt.Sprintf("%v is %q and not %q", p, got[p.Offset], text))
			}
		}
		if len(missing) > 0 {
			t.Errorf("%s differs from %d acknowledgements, for example %s", name, len(missing), missing[0])
		}
		head = g.Head
	}
}
