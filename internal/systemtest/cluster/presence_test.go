package cluster

import (
	"fmt"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// watch joins a channel with presence.
func (c *client) watch(channel string) wstest.Joined {
	c.t.Helper()
	return c.join(channel, object{"presence": true})
}

// changes returns the next changes of presence.
func (c *client) changes(count int) (all []string) {
	c.t.Helper()
	for range count {
		m := c.next()
		if m.Presence == nil || m.Presence.Event == "" {
			c.t.Fatalf("got %+v after %v", m, all)
		}
		all = append(all, fmt.Sprint(m.Presence.Event, " ", m.Presence.User, " ", m.Presence.Users))
	}
	return all
}

// awaitPresence waits until a node shows so many users and sessions on the channel room.
func (n *node) awaitPresence(users, sessions int) {
	n.Helper()
	want := fmt.Sprintf("%d users, %d sessions", users, sessions)
	n.await(want, func() (bool, string) {
		var p struct{ Users, Sessions int }
		n.Must("GET", "/v2/channels/room/presence", nil, &p)
		got := fmt.Sprintf("%d users, %d sessions", p.Users, p.Sessions)
		return got == want, got
	})
}

// TestPresenceOfAllNodes: a user with sessions on several nodes joins once and leaves once. If the
// user's node ends in order and the user connects to another one at once, there is no event.
func TestPresenceOfAllNodes(t *testing.T) {
	all := startNodes(t, 3)
	n1, n2, n3 := all[0], all[1], all[2]
	watcher := n1.dial(n1.tokenFor("watcher").Token)
	if p := watcher.watch("room").Presence; p == nil || p.Users != 1 {
		t.Fatalf("the snapshot: %+v", p)
	}
	ann, bob := n1.tokenFor("ann").Token, n1.tokenFor("bob").Token
	on2 := n2.dial(ann)
	on2.join("room", nil)
	n3.awaitPresence(2, 2)
	on3 := n3.dial(ann)
	on3.join("room", nil)
	for _, n := range all {
		n.awaitPresence(2, 3)
	}
	late := n2.dial(n1.tokenFor("late").Token)
	if p := late.watch("room").Presence; p == nil || p.Users != 3 || fmt.Sprint(p.Members) != "[{ann} {late} {watcher}]" {
		t.Errorf("a snapshot on n2: %+v", p)
	}
	on2.ask("leave", object{"channels": []string{"room"}})
	n1.awaitPresence(3, 3)
	on3.ask("leave", object{"channels": []string{"room"}})
	same(t, "events on n1", []string{"join ann 2", "join late 3", "leave ann 2"}, watcher.changes(3))
	same(t, "events on n2", []string{"leave ann 2"}, late.changes(1))

	// Bob and ann are on n3, which ends. Only bob comes back.
	n3.dial(ann).join("room", nil)
	same(t, "ann again", []string{"join ann 3"}, watcher.changes(1))
	onThird := n3.dial(bob)
	onThird.join("room", nil)
	same(t, "bob", []string{"join bob 4"}, watcher.changes(1))
	n3.shutdown()
	if err := onThird.End(); wstest.Code(err) != 4100 {
		t.Errorf("the session on n3 ended with %v", err)
	}
	n1.dial(bob).join("room", nil)
	same(t, "after the end of n3", []string{"leave ann 3"}, watcher.changes(1))
	n2.awaitPresence(3, 3)
	same(t, "after the end of n3, on n2", []string{"join ann 3", "join bob 4", "leave ann 3"}, late.changes(3))
}

// TestPresenceOfDeadNode: the users of a node that dies leave after the linger. Users on another node
// stay.
func TestPresenceOfDeadNode(t *testing.T) {
	all := startNodes(t, 3)
	n1, n2, n3 := all[0], all[1], all[2]
	watcher := n1.dial(n1.tokenFor("watcher").Token)
	watcher.watch("room")
	ann, bob := n1.tokenFor("ann").Token, n1.tokenFor("bob").Token
	n3.dial(ann).join("room", nil)
	same(t, "ann", []string{"join ann 2"}, watcher.changes(1))
	n3.dial(bob).join("room", nil)
	same(t, "bob", []string{"join bob 3"}, watcher.changes(1))
	n3.cutOff()
	n2.dial(bob).join("room", nil)
	same(t, "after the death of n3", []string{"leave ann 2"}, watcher.changes(1))
	n2.awaitPresence(2, 2)
	n1.awaitPresence(2, 2)

	n3.proxy.Refuse(false) // it still has its sessions
	same(t, "when n3 is back", []string{"join ann 3"}, watcher.changes(1))
	for _, n := range all {
		n.awaitPresence(3, 4)
	}
}
