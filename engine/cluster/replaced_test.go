package cluster_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// rawMarker writes a marker with the epoch as another node would, and returns its sequence.
func rawMarker(t *testing.T, js jetstream.JetStream, epoch uint64) uint64 {
	t.Helper()
	return rawPublish(t, js, "=epoch", strconv.FormatUint(epoch, 10))
}

// An older copy of the stream is put in its place, with a marker of an earlier epoch. That epoch must not be in
// force again: its offsets after the copy would stand for other messages.
func TestEarlierEpoch(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	looks := make(chan time.Time)
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.LookAt(looks).BeatOnce(), urls...)
	f, _ := follow(t, e, "c")
	eventually(t, "the node has its only beat", func() bool { return e.Beat() > 0 && e.Status().At >= e.Beat() })
	lose := func() (epoch uint64) { // the node finds that the stream has another message
		t.Helper()
		before := e.Status().Epoch
		e.ReadAnother()
		eventually(t, "a new epoch begins", func() bool {
			looks <- time.Now()
			epoch = e.Status().Epoch
			return epoch != before
		})
		return epoch
	}
	old := publish(t, e, "c", "0")
	second := lose()
	at := rawMarker(t, js, old.Epoch)
	last := publish(t, e, "c", "1")
	third := lose()
	if second <= old.Epoch || last.Epoch != second || last.Offset <= at || third <= second {
		t.Errorf("the epochs are %d, %d, %d and %d, and must grow with each loss", old.Epoch, second, last.Epoch, third)
	}
	for _, p := range []engine.Position{old, last} {
		if _, err := since(e, "c", p); !errors.Is(err, engine.ErrUnknownEpoch) {
			t.Errorf("read from %v: %v", p, err)
		}
	}
	if gaps := f.resets(); len(gaps) != 2 {
		t.Errorf("gaps %v, want two", gaps)
	}
}

// readState returns the content of the file of a node.
func readState(t *testing.T, file string) (state map[string]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&state); err != nil {
		t.Fatal(err)
	}
	return state
}

// All nodes were down when the stream was replaced. The file of a node shows that in several ways.
func TestReplacedBeforeStart(t *testing.T) {
	number := func(state map[string]any, name string) uint64 {
		n, err := strconv.ParseUint(fmt.Sprint(state[name]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for name, change := range map[string]func(state map[string]any){
		"":                   func(map[string]any) {},
		"an earlier epoch":   func(state map[string]any) { state["epoch"] = number(state, "epoch") + 5 },
		"a shorter stream":   func(state map[string]any) { state["seq"] = number(state, "seq") + 1_000_000 },
		"another message":    func(state map[string]any) { state["time"] = number(state, "time") + 1 },
		"made at other time": func(state map[string]any) { state["created"] = "2026-01-02T03:04:05Z" },
	} {
		t.Run(name, func(t *testing.T) {
			urls := natstest.URLs(natstest.Start(t))
			file := filepath.Join(t.TempDir(), "cluster.json")
			o := cluster.Options{Replicas: 1, Servers: node("a"), StateFile: file}
			e := open(t, o, urls...)
			old := publish(t, e, "c", "0")
			e.Close()
			state := readState(t, file)
			change(state)
			text, err := json.Marshal(state)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			seen := number(state, "epoch")
			e = open(t, o, urls...)
			_, err = since(e, "c", old)
			if name == "" {
				if got := e.Status().Epoch; got != seen || err != nil {
					t.Errorf("the epoch is %d, and was %d; %v", got, seen, err)
				}
				return
			}
			if got := e.Status().Epoch; got <= seen || !errors.Is(err, engine.ErrUnknownEpoch) {
				t.Errorf("the epoch is %d, and this node was in %d; %v", got, seen, err)
			}
		})
	}
}

// A node may die at any moment, so it writes its file while it runs.
func TestStateOfRunningNode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cluster.json")
	o := cluster.Options{Replicas: 1, Servers: node("a"), StateFile: file}.SaveEvery(time.Millisecond)
	e := open(t, o, natstest.URLs(natstest.Start(t))...)
	for range 2 {
		at := publish(t, e, "c", "0")
		eventually(t, "the file has the message", func() bool {
			if _, err := os.Stat(file); err != nil {
				return false
			}
			seq, err := readState(t, file)["seq"].(json.Number).Int64()
			return err == nil && uint64(seq) >= at.Offset
		})
	}
}

// Another node has made the stream again, and this node has read the new epoch in it. It begins no further one.
func TestOneEpochForNewStream(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	looks := make(chan time.Time)
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.LookAt(looks).BeatOnce(), urls...)
	f, _ := follow(t, e, "c")
	old := publish(t, e, "c", "0")
	e.StopConsumer()
	deleteStream(t, "BOREAS", urls)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.FirstSeq = old.Offset + 1_000_000 })
	at := rawMarker(t, js, old.Epoch+5)
	last := rawPublish(t, js, "c", "1")
	if err := e.Fill(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one begins after the first has ended
		looks <- time.Now()
	}
	if got := e.Status().Epoch; got != old.Epoch+5 {
		t.Errorf("the epoch is %d, and the new stream has %d", got, old.Epoch+5)
	}
	gaps := f.resets()
	if len(gaps) == 0 || gaps[len(gaps)-1].Head != (engine.Position{Epoch: old.Epoch + 5, Offset: at}) {
		t.Errorf("gaps %v, want one to the marker %d", gaps, at)
	}
	if diff := cmp.Diff([]string{"0", "1"}, f.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Then it is made again, with nothing in it.
	deleteStream(t, "BOREAS", urls)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.FirstSeq = last + 1_000_000 })
	for range 2 {
		looks <- time.Now()
	}
	if got := e.Status().Epoch; got <= old.Epoch+5 {
		t.Errorf("the epoch is %d in the third stream, and was %d in the second", got, old.Epoch+5)
	}
}

// Nobody can take messages out of the middle of the stream: no node would know which ones.
func TestNobodyPurges(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}, urls...)
	at := publish(t, e, "c", "0")
	s, err := js.Stream(t.Context(), "BOREAS")
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"purge": s.Purge(t.Context()), "purge a channel": s.Purge(t.Context(), jetstream.WithPurgeSubject("boreas.ch.c")),
		"delete": s.DeleteMsg(t.Context(), at.Offset), "erase": s.SecureDeleteMsg(t.Context(), at.Offset),
	} {
		if err == nil {
			t.Errorf("%s: the servers obey", what)
		}
	}
	c := s.CachedInfo().Config
	c.DenyDelete, c.DenyPurge = false, false
	if _, err := js.UpdateStream(t.Context(), c); err == nil {
		t.Error("the servers allow it again")
	}
}

// A leader that was just elected says that the stream is shorter than it is. It is not believed: a new message gets a
// sequence after those that this node has read.
func TestLateLeader(t *testing.T) {
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.BeatEvery(10*time.Millisecond), natstest.URLs(natstest.Start(t))...)
	at := publish(t, e, "c", "0").Offset
	judge := e.Judge(t.Context())
	for range 3 {
		if why, err := judge(at - 1); why != "" || err != nil {
			t.Errorf("the leader is believed: %q, %v", why, err)
		}
		beat := e.Beat()
		eventually(t, "the node beats", func() bool { return e.Beat() > beat })
	}
}

// A new epoch begins after a loss. What the consumer has sent before belongs to the earlier one.
func TestEarlierConsumer(t *testing.T) {
	looks := make(chan time.Time)
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a")}.LookAt(looks).BeatOnce(), natstest.URLs(natstest.Start(t))...)
	f, _ := follow(t, e, "c")
	eventually(t, "the node has its only beat", func() bool { return e.Beat() > 0 && e.Status().At >= e.Beat() })
	before := e.Status().Epoch
	e.StopConsumer() // otherwise the tail may read the new marker first, and goes on with its consumer
	e.ReadAnother()
	eventually(t, "a new epoch begins", func() bool {
		looks <- time.Now()
		return e.Status().Epoch != before
	})
	e.TakeEarlier("c", "earlier")
	publish(t, e, "c", "later")
	if diff := cmp.Diff([]string{"later"}, f.texts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
