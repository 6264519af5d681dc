package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

func node(name string) natsconn.Options { return natsconn.Options{Node: name} }

// A stream that is full drops its oldest messages, also the marker with the epoch. The epoch stays,
// and no client gets a gap.
func TestEpochOutlivesMarker(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.MaxBytes = 256 << 10 })
	a := open(t, cluster.Options{Replicas: 1, Servers: node("a")}, urls...)
	f, head := follow(t, a, "c")
	large := strings.Repeat("x", 32<<10)
	for range 20 {
		publish(t, a, "c", large)
	}
	b := open(t, cluster.Options{Replicas: 1, Servers: node("b")}, urls...)
	if got := publish(t, b, "c", "last"); got.Epoch != head.Epoch {
		t.Errorf("the epoch of the second node is %d, and was %d", got.Epoch, head.Epoch)
	}
	eventually(t, "the first node delivers", func() bool { return len(f.texts()) == 21 })
	if gaps := f.resets(); gaps != nil {
		t.Errorf("the follower got %v", gaps)
	}
}

// Nobody publishes, and the marker becomes old. A node writes it again before the stream drops it.
func TestMarkerOutlivesItsAge(t *testing.T) {
	for age := 4 * time.Second; !markerIsRenewed(t, age); age *= 2 {
		t.Logf("the machine was too busy for an age of %v", age)
	}
}

// markerIsRenewed checks that a node writes another marker while the stream still has the first one, if
// messages are kept for that age. It returns false if this took longer than the age.
func markerIsRenewed(t *testing.T, age time.Duration) bool {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.MaxAge, c.Duplicates = age, time.Second })
	looks := make(chan time.Time)
	began := time.Now()
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.LookAt(looks).BeatOnce(), urls...)
	eventually(t, "the node has its only beat", func() bool { return e.Beat() > 0 && e.Status().At >= e.Beat() })
	s, err := js.Stream(t.Context(), "BOREAS")
	if err != nil {
		t.Fatal(err)
	}
	marker := s.CachedInfo().State.FirstSeq
	before := e.Status()
	go keepLooking(t.Context(), looks)
	eventually(t, "the node reads another marker", func() bool { return e.Status().At > before.At })
	_, err = s.GetMsg(t.Context(), marker)
	epoch := e.Status().Epoch
	if time.Since(began) >= age {
		return false
	}
	if err != nil {
		t.Errorf("the marker was gone before: %v", err)
	}
	if epoch != before.Epoch {
		t.Errorf("the epoch is %d, and was %d", epoch, before.Epoch)
	}
	return true
}

// Messages are gone because of their age. A node that starts afterwards tells a client so.
func TestAgedMessagesAreMissed(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.MaxAge, c.Duplicates = 2*time.Second, time.Second })
	a := open(t, cluster.Options{Replicas: 1, Servers: node("a")}, urls...)
	old := publish(t, a, "c", "0")
	missed := publish(t, a, "c", "1")
	eventually(t, "the stream drops them", func() bool {
		s, err := js.Stream(t.Context(), "BOREAS")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.GetMsg(t.Context(), missed.Offset)
		return err != nil
	})
	publish(t, a, "c", "2")
	b := open(t, cluster.Options{Replicas: 1, Servers: node("b")}, urls...)
	if texts, err := since(b, "c", old); !expired(err) {
		t.Errorf("after message 0 the second node has %v, error %v; message 1 is gone", texts, err)
	}
	texts, err := since(b, "c", engine.Position{})
	if diff := cmp.Diff([]string{"2"}, texts); diff != "" || err != nil {
		t.Errorf("error %v (-want +got): %s", err, diff)
	}
	if s := b.Status(); s.Epoch != old.Epoch {
		t.Errorf("the epoch is %d, and was %d", s.Epoch, old.Epoch)
	}
}

// copyDir makes a copy of a directory, which must not exist.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// A server comes back with an older copy of its files, as after a power failure. Another program
// publishes, so the stream may be as long as before when the nodes look. They may even have read on
// then, if they are connected again before they look.
func TestStreamLosesItsEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		later int  // messages that the other program publishes
		blind bool // whether the nodes look only after they have read these
	}{{"shorter", 0, false}, {"as long as before", 400, false}, {"longer before anyone looks", 400, true}} {
		t.Run(c.name, func(t *testing.T) {
			s := natstest.Start(t)
			urls := natstest.URLs(s)
			nodes := map[string]*cluster.Engine{}
			looks := make(chan time.Time)
			for _, name := range []string{"a", "b"} {
				o := cluster.Options{Replicas: 1, Servers: node(name)}
				if c.blind {
					o = o.LookAt(looks)
				}
				nodes[name] = open(t, o, urls...)
			}
			a, b := nodes["a"], nodes["b"]
			for i := range 10 {
				publish(t, a, "c", fmt.Sprint(i))
			}
			older := filepath.Join(t.TempDir(), "older")
			s = natstest.Restart(t, s, func(o *server.Options) { copyDir(t, o.StoreDir, older) })
			var last engine.Position
			for i := range 200 {
				last = publish(t, a, "c", fmt.Sprint("lost ", i))
			}
			fa, _ := follow(t, a, "c")
			fb, _ := follow(t, b, "c")
			natstest.Restart(t, s, func(o *server.Options) {
				if err := os.RemoveAll(o.StoreDir); err != nil {
					t.Fatal(err)
				}
				copyDir(t, older, o.StoreDir)
			})
			_, js := dial(t, urls...)
			for range c.later {
				if _, err := js.PublishAsync("boreas.ch.d", []byte("{}")); err != nil {
					t.Fatal(err)
				}
			}
			<-js.PublishAsyncComplete()
			if c.blind {
				eventually(t, "both nodes have read what is new", func() bool { return a.Status().At > last.Offset+100 && b.Status().At > last.Offset+100 })
				go keepLooking(t.Context(), looks)
			}
			for name, f := range map[string]*follower{"a": fa, "b": fb} {
				eventually(t, "node "+name+" tells its followers", func() bool { return f.resets() != nil })
			}
			eventually(t, "both nodes have one epoch", func() bool { return a.Status().Epoch == b.Status().Epoch })
			if _, err := since(b, "c", last); !errors.Is(err, engine.ErrUnknownEpoch) {
				t.Errorf("read from a position that is lost: %v", err)
			}
			p := publish(t, a, "c", "new")
			if p.Epoch == last.Epoch {
				t.Error("the epoch is the same")
			}
			for name, f := range map[string]*follower{"a": fa, "b": fb} {
				eventually(t, "node "+name+" delivers again", func() bool { return slices.Contains(f.texts(), "new") })
				gaps := f.resets()
				if g := gaps[len(gaps)-1]; g.Head.Epoch != p.Epoch || len(gaps) != 1 {
					t.Errorf("node %s: gaps %v, want one with the epoch %d", name, gaps, p.Epoch)
				}
			}
		})
	}
}

// keepLooking lets all engines look at the stream, often.
func keepLooking(ctx context.Context, looks chan<- time.Time) {
	for {
		select {
		case looks <- time.Now():
			time.Sleep(50 * time.Millisecond)
		case <-ctx.Done():
			return
		}
	}
}

// While no node runs, a server gets an older copy of its files. A node that has a file with its state
// notices that.
func TestStateFile(t *testing.T) {
	s := natstest.Start(t)
	urls := natstest.URLs(s)
	file := filepath.Join(t.TempDir(), "data", "cluster.json")
	with := cluster.Options{Replicas: 1, Servers: node("a"), StateFile: file}
	a := open(t, with, urls...)
	first := publish(t, a, "c", "0")
	older := filepath.Join(t.TempDir(), "older")
	s = natstest.Restart(t, s, func(o *server.Options) { copyDir(t, o.StoreDir, older) })
	publish(t, a, "c", "lost")
	a.Close()
	again := func(o cluster.Options) uint64 {
		t.Helper()
		e := open(t, o, urls...)
		defer e.Close()
		return publish(t, e, "c", "again").Epoch
	}
	if got := again(with); got != first.Epoch {
		t.Errorf("the epoch is %d after an ordinary restart, and was %d", got, first.Epoch)
	}
	natstest.Restart(t, s, func(o *server.Options) {
		if err := os.RemoveAll(o.StoreDir); err != nil {
			t.Fatal(err)
		}
		copyDir(t, older, o.StoreDir)
	})
	// A node without a file cannot know, and may make the stream as long as it was.
	for range 3 {
		if got := again(cluster.Options{Replicas: 1, Servers: node("b")}); got != first.Epoch {
			t.Errorf("the epoch is %d at a node that knows nothing, and was %d", got, first.Epoch)
		}
	}
	second := again(with)
	if second == first.Epoch {
		t.Error("the epoch is the same after messages were lost")
	}
	if got := again(with); got != second {
		t.Errorf("the epoch is %d after another restart, and was %d", got, second)
	}
}
