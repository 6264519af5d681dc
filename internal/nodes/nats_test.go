package nodes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// Three nodes on real servers: they see each other, answer, and notice a crash and a goodbye.
func TestOverNATS(t *testing.T) {
	s := natstest.Start(t)
	log, logged := testlog.New()
	options := func(name string) Options {
		return Options{Servers: natsconn.Options{URLs: natstest.URLs(s), Node: name}, Log: log}
	}
	defer func() {
		if t.Failed() {
			t.Log(logged)
		}
	}()
	big := slices.Repeat([]byte("0123456789abcdef"), 3<<20/2/16) // more than one message may have
	opened := make(chan *Group, 3)
	for i := range cap(opened) {
		go func() {
			g, err := Open(t.Context(), options(fmt.Sprint("n", i+1)))
			if err != nil {
				t.Error(err)
			}
			opened <- g
		}()
	}
	var all []*Group
	for range cap(opened) {
		g := <-opened
		if g == nil {
			t.FailNow()
		}
		defer g.Close()
		all = append(all, g)
		g.Handle("name", func(context.Context, []byte) []byte { return []byte(g.Name()) })
		g.Handle("big", func(context.Context, []byte) []byte { return big })
	}
	slices.SortFunc(all, func(a, b *Group) int { return strings.Compare(a.name, b.name) })
	a, b, c := all[0], all[1], all[2]
	until(t, "all see each other", func() bool { return len(a.Names()) == 2 && len(b.Names()) == 2 && len(c.Names()) == 2 })

	answers, silent := a.Ask(t.Context(), "name", nil)
	if diff := cmp.Diff(map[string][]byte{"n2": []byte("n2"), "n3": []byte("n3")}, answers); diff != "" || len(silent) > 0 {
		t.Errorf("silent %v, answers:\n%s", silent, diff)
	}
	if got, err := a.AskOne(t.Context(), "n2", "big", nil); err != nil || string(got) != string(big) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := Open(t.Context(), options("n2")); !errors.Is(err, ErrSameName) {
		t.Error(err)
	}
	c.Close()
	until(t, "n3 has left", func() bool { return len(a.Names()) == 1 })
	b.bus.close() // a crash
	_, silent = a.Ask(t.Context(), "name", nil)
	if diff := cmp.Diff([]string{"n2"}, silent); diff != "" {
		t.Error(diff)
	}
	until(t, "n2 is dead", func() bool { return len(a.Names()) == 0 })
}

// until waits for a condition that other goroutines make true.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestOpenWithoutServers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	o := Options{Servers: natsconn.Options{URLs: []string{"nats://127.0.0.1:1"}, Node: "n1"}}
	if _, err := Open(ctx, o); err == nil {
		t.Error("it opens")
	}
}
