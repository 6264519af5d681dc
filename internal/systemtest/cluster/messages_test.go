package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// TestAnyClientOnAnyNode: messages that are published on all nodes reach clients of every kind on
// another node, once, in one order and with one position. A client goes on at a third node.
func TestAnyClientOnAnyNode(t *testing.T) {
	all := startNodes(t, 3)
	n1, n2, n3 := all[0], all[1], all[2]
	token := n1.tokenFor("reader").Token

	socket := n1.dial(token)
	socket.join("room", nil)
	events := n1.follow(token, "room", "")
	classic := wstest.Dial(t, "ws://"+n1.WS+"/")
	classic.Send(object{"access_token": n2.NewClassic(n2.Admin)}, object{"channels": object{"join": []string{"room"}, "leave": []string{}}})
	n1.await("joined on the classic wire", func() (bool, string) {
		got := n3.get("/v2/channels/room")
		var c struct{ Subscribers int }
		json.Unmarshal([]byte(got), &c) //nolint:errcheck // the count shows it
		return c.Subscribers == 3, got
	})

	writer := n2.dial(n2.tokenFor("writer").Token)
	var want, contents []string
	for i := range 10 {
		content := object{"n": len(want)}
		positions := []string{n2.publish("room", content)}
		positions = append(positions, writer.publish("room", object{"n": len(want) + 1}, nil))
		a := n3.Request("POST", "http://"+n3.API+"/broadcast/room/", n3.Admin, object{"payload": object{"n": len(want) + 2}}, http.Header{"Content-Type": {"application/json"}})
		if !a.OK() {
			t.Fatalf("the broadcast: %d %s", a.Status, a.Body)
		}
		positions = append(positions, "")
		if i == 9 {
			positions = append(positions, n1.publish("room", object{"n": len(want) + 3}))
		}
		for _, p := range positions {
			text := fmt.Sprintf(`{"n":%d}`, len(want))
			want, contents = append(want, p+" "+text), append(contents, text)
		}
	}
	got := socket.events(len(want))
	for i := range want {
		if want[i][0] == ' ' { // a broadcast returns no position
			want[i] = got[i]
		}
	}
	same(t, "WebSocket", want, got)
	same(t, "server-sent events", want, events.take(len(want)))
	var classicGot []string
	for range contents {
		var m struct {
			Message json.RawMessage
			Channel string
		}
		if err := json.Unmarshal([]byte(classic.Read()), &m); err != nil || m.Channel != "room" {
			t.Fatalf("%+v %v", m, err)
		}
		classicGot = append(classicGot, string(m.Message))
	}
	same(t, "classic wire", contents, classicGot)

	const seen = 10
	var at string
	fmt.Sscan(got[seen-1], &at)
	again := n3.dial(token)
	if j := again.join("room", object{"since": at}); j.Recovered == nil || !*j.Recovered || j.Position != at {
		t.Errorf("resuming at another node: %+v", j)
	}
	same(t, "resumed", want[seen:], again.events(len(want)-seen))
	n1.publish("room", "last")
	same(t, "after the resume", []string{`"last"`}, contentsOf(again.events(1)))
	same(t, "the stream goes on", []string{`"last"`}, contentsOf(events.take(1)))
	n2.publish("room", "missed")
	same(t, "the resumed stream", []string{`"missed"`}, contentsOf(n3.follow(token, "room", events.id).take(1)))

	pages := func(n *node) (all []string) {
		path := "/v2/channels/room/messages?limit=7"
		for more := true; more; {
			text := n.get(path)
			all = append(all, compact(t, text))
			var page struct {
				Position string
				More     bool
			}
			if err := json.Unmarshal([]byte(text), &page); err != nil {
				t.Fatal(err)
			}
			more, path = page.More, "/v2/channels/room/messages?limit=7&since="+page.Position
		}
		return all
	}
	first := pages(n1)
	if len(first) != 5 {
		t.Errorf("31 messages are on %d pages", len(first))
	}
	same(t, "pages of n2", first, pages(n2))
	same(t, "pages of n3", first, pages(n3))
}

func contentsOf(events []string) (all []string) {
	for _, e := range events {
		var position, content string
		fmt.Sscan(e, &position, &content)
		all = append(all, content)
	}
	return all
}

// TestNoEcho: sessions of different nodes have the same numbers, and a message without an echo is left
// out only for the session that sent it.
func TestNoEcho(t *testing.T) {
	all := startNodes(t, 3)
	var clients []*client
	for _, n := range all {
		c := n.dial(n.tokenFor("u-" + n.name).Token)
		c.join("room", nil)
		clients = append(clients, c)
	}
	for i, c := range clients {
		c.publish("room", i, object{"echo": false})
	}
	all[0].publish("room", "end")
	for i, c := range clients {
		var want []string
		for j := range clients {
			if j != i {
				want = append(want, fmt.Sprint(j))
			}
		}
		same(t, fmt.Sprint("client ", i), append(want, `"end"`), contentsOf(c.events(len(clients))))
	}
}
