package cluster

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// TestTraceOfAllNodes: every node says which sessions of all nodes have a message, and names the nodes
// that do not answer.
func TestTraceOfAllNodes(t *testing.T) {
	all := startNodes(t, 3)
	n1, n2, n3 := all[0], all[1], all[2]
	on1, on2 := n1.dial(n1.tokenFor("a").Token), n2.dial(n1.tokenFor("b").Token)
	on1.join("room", nil)
	on2.join("room", nil)
	n1.publish("other", 0) // the offsets of room have holes
	first := n3.publish("room", 1)
	n1.publish("other", 2)
	second := n1.publish("room", 3)
	on1.events(2)
	on2.events(2)
	type trace struct {
		Message, Size, Delivered, Subscribers int
		Nodes                                 struct {
			Answered int
			Silent   []string
		}
	}
	of := func(n *node, at string) (got trace) {
		t.Helper()
		n.Must("GET", "/v2/channels/room/messages/"+at, nil, &got)
		return got
	}
	for message, at := range map[int]string{1: first, 3: second} {
		want := trace{Message: message, Size: 1, Delivered: 2, Subscribers: 2}
		want.Nodes.Answered, want.Nodes.Silent = 3, []string{}
		for _, n := range all {
			n.await("traced", func() (bool, string) {
				got := fmt.Sprint(of(n, at))
				return got == fmt.Sprint(want), got
			})
		}
	}
	if a := n1.Ask(n1.Admin, "GET", "/v2/channels/other/messages/"+first, nil); a.Status != http.StatusNotFound || a.Code() != "no_message" {
		t.Errorf("a message of another channel: %d %s", a.Status, a.Body)
	}
	n2.cutOff()
	if got := of(n1, second); got.Delivered != 1 || got.Subscribers != 1 || !slices.Equal(got.Nodes.Silent, []string{"n2"}) {
		t.Errorf("with a node that is silent: %+v", got)
	}
}
