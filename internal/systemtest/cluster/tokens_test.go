package cluster

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// TestTokenAtOnce: a client that has just got its token may connect to any node. Keys are valid on all
// nodes at once, too.
func TestTokenAtOnce(t *testing.T) {
	all := startNodes(t, 3)
	const times = 200
	for i := range times {
		maker, other := all[i%3], all[(i+1)%3]
		token := maker.tokenFor(fmt.Sprint("u", i)).Token
		conn, err := wstest.Connect("ws://"+other.WS+"/v2", wstest.Options{Header: http.Header{"Authorization": {"Bearer " + token}}})
		if err != nil {
			t.Fatalf("token %d of %s at %s: %v", i, maker.name, other.name, err)
		}
		conn.Close()
		if i%4 != 0 {
			continue
		}
		key := maker.NewKey(object{"name": fmt.Sprint("k", i), "verbs": []string{"publish"}})
		if a := other.Ask(key.Key, "POST", "/v2/channels/room/messages", "1"); !a.OK() {
			t.Fatalf("key %d of %s at %s: %d %s", i, maker.name, other.name, a.Status, a.Body)
		}
		maker.Must("DELETE", "/v2/keys/"+key.ID, nil, nil)
		if a := other.Ask(key.Key, "POST", "/v2/channels/room/messages", "1"); a.Code() != "invalid_key" {
			t.Fatalf("the deleted key %d of %s at %s: %d %s", i, maker.name, other.name, a.Status, a.Body)
		}
	}
	if a := all[1].Ask("bt_invented", "GET", "/v2/channels/room/messages", nil); a.Code() != "invalid_token" {
		t.Errorf("an invented token: %d %s", a.Status, a.Body)
	}
}

// TestRevocationOnAllNodes: a revocation on one node ends the sessions on all, and counts them. When
// it has returned, they are over, and no node accepts the token.
func TestRevocationOnAllNodes(t *testing.T) {
	all := startNodes(t, 3)
	jwt := func(user string) string {
		return all[0].Issuer.HS256(issuer.Claims(object{"sub": user, "jti": "j-" + user}))
	}
	token := all[0].tokenFor("opaque")
	for _, c := range []struct {
		what, token string
		revoke      func(n *node, into any)
		code        int
	}{
		{"a token", token.Token, func(n *node, into any) { n.Must("DELETE", "/v2/tokens/"+token.ID, nil, into) }, 4300},
		{"a user", all[0].tokenFor("ann").Token, func(n *node, into any) { n.Must("POST", "/v2/revocations", object{"user": "ann"}, into) }, 4300},
		{"a JWT's user", jwt("bob"), func(n *node, into any) { n.Must("POST", "/v2/revocations", object{"user": "bob"}, into) }, 4300},
		{"a JWT", jwt("carl"), func(n *node, into any) { n.Must("POST", "/v2/revocations", object{"token": jwt("carl")}, into) }, 4300},
	} {
		var clients []*client
		for _, n := range all {
			a, b := n.dial(c.token), n.dial(c.token)
			clients = append(clients, a, b)
		}
		var got struct {
			Sessions int
			Nodes    struct {
				Answered int
				Silent   []string
			}
		}
		c.revoke(all[1], &got)
		same(t, c.what, "6 sessions, 3 nodes, silent []", fmt.Sprintf("%d sessions, %d nodes, silent %v", got.Sessions, got.Nodes.Answered, got.Nodes.Silent))
		for i, client := range clients {
			if err := client.End(); wstest.Code(err) != c.code {
				t.Errorf("%s: client %d ended with %v", c.what, i, err)
			}
		}
		for _, n := range all {
			if a := n.Ask(c.token, "GET", "/v2/channels/room/messages", nil); a.Status != http.StatusUnauthorized {
				t.Errorf("%s at %s after the revocation: %d %s", c.what, n.name, a.Status, a.Body)
			}
		}
	}
}

// TestRulesOnAllNodes: changed rules of a token apply to its sessions on all nodes.
func TestRulesOnAllNodes(t *testing.T) {
	all := startNodes(t, 3)
	made := all[0].NewToken(object{"user": "u", "rules": []object{{"channels": []string{"a", "b"}, "allow": []string{"join"}}}})
	var clients []*client
	for _, n := range all {
		c := n.dial(made.Token)
		c.join("a", nil)
		clients = append(clients, c)
	}
	var got struct{ Sessions int }
	all[2].Must("PATCH", "/v2/tokens/"+made.ID, object{"rules": []object{{"channels": []string{"a", "c"}, "allow": []string{"join"}}}}, &got)
	if got.Sessions != 3 {
		t.Errorf("the change counts %d sessions", got.Sessions)
	}
	for i, c := range clients {
		c.join("c", nil)
		j := c.ask("join", object{"channels": []object{{"channel": "b"}}}).Join.Channels[0]
		if j.Error == nil || j.Error.Code != "not_permitted" {
			t.Errorf("client %d may still join b: %+v", i, j)
		}
	}
	all[0].Must("PATCH", "/v2/tokens/"+made.ID, object{"rules": []object{{"channels": []string{"c"}, "allow": []string{"join"}}}}, nil)
	for i, c := range clients {
		if err := c.End(); wstest.Code(err) != 4102 {
			t.Errorf("client %d, which had joined a, ended with %v", i, err)
		}
	}
}
