package roster

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
)

// realNode is a node with a real group.
type realNode struct {
	hub    *boreas.Hub
	roster *Roster
	group  *nodes.Group
}

func (n *realNode) close() {
	n.hub.Shutdown(context.Background(), 0)
	n.group.Close()
	n.roster.Close()
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

// Three nodes over real NATS servers.
func TestOverNATS(t *testing.T) {
	s := natstest.Start(t)
	open := func(i int) *realNode {
		n := &realNode{roster: New(nil)}
		n.hub = boreas.New(boreas.Options{
			Node: fmt.Sprint("n", i), PresenceLinger: time.Second, PresenceChanged: n.roster.Changed,
			Rules: new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull}),
		})
		var err error
		n.group, err = nodes.Open(t.Context(), nodes.Options{Servers: natsconn.Options{URLs: natstest.URLs(s), Node: fmt.Sprint("n", i)}})
		if err != nil {
			t.Fatal(err)
		}
		n.roster.Start(n.hub, n.group)
		return n
	}
	w := &world{failer: t}
	enter := func(n *realNode, user string) *boreastest.Conn {
		_, c := w.user(&node{hub: n.hub, users: map[*boreas.Session]string{}}, user, "a")
		return c
	}
	members := func(n *realNode) (users []string) {
		state, err := n.hub.Presence("a")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range state.Members {
			users = append(users, m.User)
		}
		return users
	}
	first, second := open(1), open(2)
	c := enter(first, "w1")
	enter(second, "ann")
	third := open(3) // learns the others by snapshots
	for i := range 500 {
		enter(third, fmt.Sprint("u", i%2))
	}
	all := []string{"ann", "u0", "u1", "w1"}
	for i, n := range []*realNode{first, second, third} {
		until(t, fmt.Sprint("node ", i+1, " shows all users"), func() bool { return cmp.Equal(members(n), all) })
	}
	third.close()
	enter(second, "u1")
	until(t, "u0 has left", func() bool { return cmp.Equal(members(first), []string{"ann", "u1", "w1"}) })
	second.roster.Close() // a crash, as the first node sees it
	second.group.Close()
	until(t, "only the first node's user is left", func() bool { return cmp.Equal(members(first), []string{"w1"}) })
	second.close()
	first.close()
	got := events(c)
	if len(got) == 6 { // users of one snapshot, and of one node that has died, come in any order
		slices.Sort(got[:3])
		slices.Sort(got[4:])
	}
	if diff := cmp.Diff([]string{"join ann", "join u0", "join u1", "leave u0", "leave ann", "leave u1"}, got); diff != "" {
		t.Error(diff)
	}
}
