package cluster

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// TestIsolation: a node that is cut off from the others says so, refuses tokens that it cannot check,
// and sends its clients away. They go on at another node. When it is back, it is ready again.
func TestIsolation(t *testing.T) {
	if testing.Short() {
		t.Skip("a node that is cut off waits for 15 seconds")
	}
	all := startNodes(t, 3)
	n1, n3 := all[0], all[2]
	token := n1.tokenFor("u").Token
	reader, classic := n3.dial(token), wstest.Dial(t, "ws://"+n3.WS+"/")
	reader.join("room", nil)
	classic.Send(object{"access_token": n1.NewClassic(n1.Admin)})
	classic.Write([]byte(wstest.Ping("")))
	if op, _, err := classic.Frame(); op != wstest.OpPong || err != nil { // it is authenticated now
		t.Fatalf("a frame with the opcode %d, %v", op, err)
	}
	events := n3.follow(token, "room", "")
	at := n1.publish("room", "before")
	same(t, "before", []string{at + ` "before"`}, reader.events(1))
	events.take(1)

	n3.cutOff()
	missed := n1.publish("room", "missed")
	n3.await("not ready", func() (bool, string) {
		a := n3.Ask("", "GET", "/readyz", nil)
		return a.Status == http.StatusServiceUnavailable && strings.Contains(string(a.Body), "NATS"), string(a.Body)
	})
	fresh := n1.tokenFor("fresh").Token
	for what, credential := range map[string]string{"a new token": fresh, "a known token": token, "an API key": n3.Admin} {
		n3.await("refusing "+what, func() (bool, string) {
			a := n3.Ask(credential, "GET", "/v2/channels/room/messages", nil)
			return a.Code() == "auth_unavailable", a.Code()
		})
	}

	m := reader.next()
	if m.Goodbye == nil || m.Goodbye.Error.Code != "node_isolated" {
		t.Errorf("the goodbye is %+v", m)
	}
	if err := reader.End(); wstest.Code(err) != 4104 {
		t.Errorf("the session ended with %v", err)
	}
	if err := classic.End(); wstest.Code(err) != 1001 {
		t.Errorf("the classic session ended with %v", err)
	}
	e := events.next()
	var goodbye struct{ Error wstest.Error }
	if err := json.Unmarshal([]byte(e.Data), &goodbye); err != nil || e.Type != "goodbye" || goodbye.Error.Code != "node_isolated" {
		t.Errorf("the stream ended with %+v", e)
	}
	again := all[1].dial(token)
	if j := again.join("room", object{"since": at}); j.Recovered == nil || !*j.Recovered {
		t.Errorf("resuming at another node: %+v", j)
	}
	same(t, "at another node", []string{missed + ` "missed"`}, again.events(1))

	n3.proxy.Refuse(false)
	n3.await("ready again", func() (bool, string) {
		a := n3.Ask("", "GET", "/readyz", nil)
		return a.OK(), string(a.Body)
	})
	back := n3.dial(fresh)
	if j := back.join("room", object{"since": at}); j.Recovered == nil || !*j.Recovered {
		t.Errorf("resuming at the node that was cut off: %+v", j)
	}
	same(t, "at the node that is back", []string{missed + ` "missed"`}, back.events(1))
	last := all[1].publish("room", "last")
	same(t, "at the node that is back", []string{last + ` "last"`}, back.events(1))
}
