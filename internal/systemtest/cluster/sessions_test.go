package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// TestSessionsOfAllNodes: lists of sessions are about all nodes, in pages. An operator ends a session on
// any node. While a node is silent, answers name it.
func TestSessionsOfAllNodes(t *testing.T) {
	all := startNodes(t, 3)
	want := make(map[string]string)
	var clients []*client
	for _, n := range all {
		for j := range 3 {
			c := n.dial(all[0].tokenFor(fmt.Sprint("u", j)).Token)
			clients = append(clients, c)
			want[c.session] = fmt.Sprint("u", j)
		}
	}
	list := func(n *node, query string) map[string]string {
		t.Helper()
		got := make(map[string]string)
		for after := ""; ; {
			var page struct {
				Sessions []struct{ Session, User string }
				Next     string
				Nodes    struct{ Silent []string }
			}
			n.Must("GET", "/v2/sessions?limit=2"+query+after, nil, &page)
			for _, s := range page.Sessions {
				if got[s.Session] != "" {
					t.Errorf("%s is listed twice", s.Session)
				}
				got[s.Session] = s.User
			}
			if page.Next == "" {
				return got
			}
			after = "&after=" + page.Next
		}
	}
	for _, n := range all {
		same(t, "sessions by "+n.name, want, list(n, ""))
	}
	ofUser := make(map[string]string)
	for s, user := range want {
		if user == "u1" {
			ofUser[s] = user
		}
	}
	same(t, "the sessions of a user", ofUser, list(all[2], "&user=u1"))

	// The last client is on n3.
	last := clients[len(clients)-1]
	path := "/v2/sessions/" + last.session
	if a := all[0].Ask(all[0].Admin, "DELETE", path, nil); a.Status != http.StatusNoContent {
		t.Errorf("ending a session of n3 on n1: %d %s", a.Status, a.Body)
	}
	if err := last.End(); wstest.Code(err) != 4401 {
		t.Errorf("it ended with %v", err)
	}
	for _, id := range []string{last.session, last.session + "0", "s_zzzz"} {
		if a := all[0].Ask(all[0].Admin, "DELETE", "/v2/sessions/"+id, nil); a.Status != http.StatusNotFound || a.Code() != "no_session" {
			t.Errorf("ending %s: %d %s", id, a.Status, a.Body)
		}
	}

	// n3 is cut off: until the others know it, it is live and silent, and after that lost.
	all[2].cutOff()
	on3 := clients[6].session
	for range 2 {
		var page struct {
			Sessions []struct{ Session string }
			Nodes    struct {
				Answered int
				Silent   []string
			}
		}
		all[0].Must("GET", "/v2/sessions", nil, &page)
		if page.Nodes.Answered != 2 || !slices.Equal(page.Nodes.Silent, []string{"n3"}) || len(page.Sessions) != 6 {
			t.Errorf("with a node that is silent: %+v", page)
		}
		for _, method := range []string{"GET", "DELETE"} {
			if a := all[0].Ask(all[0].Admin, method, "/v2/sessions/"+on3, nil); a.Status != http.StatusServiceUnavailable || a.Code() != "node_silent" {
				t.Errorf("%s of a session there: %d %s", method, a.Status, a.Body)
			}
		}
		all[0].awaitNodes(2)
	}
	if a := all[0].Ask(all[0].Admin, "DELETE", "/v2/sessions/"+clients[3].session, nil); a.Status != http.StatusNoContent {
		t.Errorf("ending a session of a live node: %d %s", a.Status, a.Body)
	}
	revoked := all[0].Ask(all[0].Admin, "POST", "/v2/revocations", object{"user": "u0"})
	var counts struct {
		Sessions int
		Nodes    json.RawMessage
	}
	if err := json.Unmarshal(revoked.Body, &counts); err != nil {
		t.Fatal(err)
	}
	same(t, "a revocation while n3 is silent", `1 {"answered":2,"silent":["n3"]}`, fmt.Sprint(counts.Sessions, " ", string(counts.Nodes)))

	// It hears of the revocation as soon as it is back.
	all[2].proxy.Refuse(false)
	if err := clients[6].End(); wstest.Code(err) != 4300 {
		t.Errorf("the session of the revoked user on n3 ended with %v", err)
	}
	all[0].awaitNodes(3)
	all[0].await("no silent node", func() (bool, string) {
		text := all[0].get("/v2/stats")
		var s struct{ Nodes struct{ Silent []string } }
		json.Unmarshal([]byte(text), &s) //nolint:errcheck // the list shows it
		return len(s.Nodes.Silent) == 0, text
	})
}
