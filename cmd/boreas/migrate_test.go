package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// runMigrate runs `boreas migrate`, without the parts of its output that differ from run to run.
func runMigrate(t *testing.T, dir, args string) outcome {
	t.Helper()
	got := started{args: "migrate --from=" + dir + " " + args}.run(t)
	for _, text := range []*string{&got.Stdout, &got.Stderr} {
		*text = strings.ReplaceAll(*text, dir, "DIR")
		*text = regexp.MustCompile(`nats://127\.0\.0\.1:\d+`).ReplaceAllString(*text, "NATS")
	}
	return got
}

// openCluster opens the messages of a cluster.
func openCluster(t *testing.T, servers natsconn.Options) *cluster.Engine {
	t.Helper()
	e, err := cluster.Open(t.Context(), cluster.Options{Servers: servers, Replicas: 1, History: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// copied returns the messages of the two channels of dataDir in the order of the cluster.
func copied(t *testing.T, e engine.Engine) (messages []string) {
	t.Helper()
	var all []*engine.Publication
	for _, channel := range []string{"news", "chat"} {
		h, err := e.Read(t.Context(), channel, engine.Position{}, engine.Limit{Messages: 100})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.Publications...)
	}
	slices.SortFunc(all, func(a, b *engine.Publication) int { return int(a.Offset) - int(b.Offset) })
	for _, p := range all {
		messages = append(messages, string(p.Data))
	}
	return messages
}

func TestMigrate(t *testing.T) {
	servers := natsconn.Options{URLs: natstest.URLs(natstest.Start(t)), Node: "test"}
	args := "--engine=" + servers.URLs[0] + " --nats-replicas=1 --cluster-history=64MiB"
	dir := dataDir(t)
	authority, err := auth.Open(auth.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := authority.CreateToken(auth.Token{User: "ann"}); err != nil {
		t.Fatal(err)
	}
	if err := authority.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want outcome
	}{
		{"", outcome{Stdout: "copied 1 tokens, 0 keys and 0 revocations\ncopied 6 messages of 2 channels; 0 were there already, 0 are too old\n"}},
		{"", outcome{Exit: exitUsage, Stderr: "boreas: the cluster has messages in 2 channels already: give --append to copy to the end of them, " +
			"or to go on after an interruption; nothing was changed\n"}},
		{"--append", outcome{Stdout: "copied 0 tokens, 0 keys and 0 revocations\ncopied 0 messages of 2 channels; 6 were there already, 0 are too old\n"}},
	} {
		if diff := cmp.Diff(c.want, runMigrate(t, dir, args+" "+c.args)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.args, diff)
		}
	}
	e := openCluster(t, servers)
	defer e.Close()
	got := copied(t, e)
	slices.Sort(got)
	if diff := cmp.Diff([]string{`"chat 0"`, `"chat 1"`, `"chat 2"`, `"news 0"`, `"news 1"`, `"news 2"`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	old := openData(t, dir)
	if h, err := old.Read(t.Context(), "news", engine.Position{}, engine.Limit{Messages: 9}); err != nil || len(h.Publications) != 3 {
		t.Errorf("the directory has %+v, %v", h, err)
	}
	old.Close()
}

// TestMigrateGoesOn: after an interruption, no message is copied twice or left out, and the cluster's own
// messages do not disturb it.
func TestMigrateGoesOn(t *testing.T) {
	servers := natsconn.Options{URLs: natstest.URLs(natstest.Start(t)), Node: "test"}
	args := "--engine=" + servers.URLs[0] + " --nats-replicas=1 --cluster-history=64MiB"
	dir := dataDir(t)
	old := openData(t, dir)
	h, err := old.Read(t.Context(), "news", engine.Position{}, engine.Limit{Messages: 2})
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
	e := openCluster(t, servers)
	defer e.Close()
	for _, p := range h.Publications {
		origin := engine.Position{Epoch: h.Floor.Epoch, Offset: p.Offset}
		if err := e.Import(t.Context(), []cluster.Imported{{Channel: "news", Origin: origin, Data: p.Data}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Publish(t.Context(), "news", engine.Message{Data: []byte(`"own"`)}); err != nil {
		t.Fatal(err)
	}
	want := outcome{Stdout: "copied 0 tokens, 0 keys and 0 revocations\ncopied 4 messages of 2 channels; 2 were there already, 0 are too old\n"}
	if diff := cmp.Diff(want, runMigrate(t, dir, args+" --append")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h, err = e.Read(t.Context(), "news", engine.Position{}, engine.Limit{Messages: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range h.Publications {
		got = append(got, string(p.Data))
	}
	if diff := cmp.Diff([]string{`"news 0"`, `"news 1"`, `"own"`, `"news 2"`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMigrationOrder: messages of all channels are copied by time.
func TestMigrationOrder(t *testing.T) {
	servers := natsconn.Options{URLs: natstest.URLs(natstest.Start(t)), Node: "test"}
	dir := t.TempDir()
	old := openData(t, dir)
	var want []string
	for i := range 150 {
		text := fmt.Sprint(i)
		if _, err := old.Publish(t.Context(), []string{"news", "news", "chat"}[i%3], engine.Message{Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		want = append(want, text)
	}
	defer old.Close()
	e := openCluster(t, servers)
	defer e.Close()
	tooOld := &migration{from: old, to: e, oldest: time.Now().Add(time.Hour), progress: func(int) {}}
	if err := tooOld.run(t.Context()); err != nil || tooOld.copied != 0 || tooOld.old != 150 {
		t.Errorf("%d copied, %d too old, %v", tooOld.copied, tooOld.old, err)
	}
	m := &migration{from: old, to: e, progress: func(int) {}}
	var order []string
	if err := m.findChannels(t.Context()); err != nil {
		t.Fatal(err)
	}
	for len(m.queue) > 0 {
		if err := m.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// Messages of the same millisecond may have another order in different channels.
	times := make(map[string]int64)
	for _, channel := range []string{"news", "chat"} {
		h, err := old.Read(t.Context(), channel, engine.Position{}, engine.Limit{Messages: 200})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range h.Publications {
			times[string(p.Data)] = p.Time
		}
	}
	for i, p := range m.pending {
		order = append(order, string(p.Data))
		if i > 0 && times[order[i]] < times[order[i-1]] {
			t.Errorf("%s comes after %s, and is older", order[i], order[i-1])
		}
	}
	slices.Sort(order)
	slices.Sort(want)
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := m.flush(t.Context()); err != nil || m.copied != 150 || len(copied(t, e)) != 150 {
		t.Errorf("%d copied, %v", m.copied, err)
	}
}

// TestMigrateMistakes: errors name the remedy, and nothing is changed.
func TestMigrateMistakes(t *testing.T) {
	dir, empty := dataDir(t), t.TempDir()
	running := openData(t, dir)
	defer running.Close()
	servers := " --nats-replicas=1 --cluster-history=64MiB --engine=" + natstest.URLs(natstest.Start(t))[0]
	for args, want := range map[string]outcome{
		"migrate": {Exit: exitUsage, Stderr: "boreas: name the data_dir of the stopped server: boreas migrate --from=DIR\n"},
		"migrate --from=" + dir: {Exit: exitUsage, Stderr: "boreas: these options are of a server that is alone: " +
			"give those of a node of the cluster, with engine=nats://HOSTS or cluster_peers\n"},
		"migrate --from=" + dir + servers:   {Exit: exitFailed, Stderr: "boreas: " + dir + "/history is in use by another process: stop the server first\n"},
		"migrate --from=absent" + servers:   {Exit: exitUsage, Stderr: "boreas: --from=absent: there is no such directory\n"},
		"migrate --from=" + empty + servers: {Stdout: "copied 0 tokens, 0 keys and 0 revocations\n", Stderr: "boreas: " + empty + " has no messages\n"},
	} {
		if diff := cmp.Diff(want, started{args: args}.run(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) > 0 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}
