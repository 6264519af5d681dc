package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// blocked opens a session. Its connection accepts no byte until the end of the test.
func (r *rig) blocked(t *testing.T, channel string) *boreas.Session {
	t.Helper()
	s, c, err := boreastest.Open(r.hub)
	if err != nil {
		t.Fatal(err)
	}
	c.Bound(0)
	t.Cleanup(c.Unbound) // before the hub shuts down, so that it need not wait
	if err := s.Authenticate(boreastest.Grant("B", "B")); err != nil {
		t.Fatal(err)
	}
	if r := s.Join(t.Context(), []boreas.Join{{Channel: channel}}, nil); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	return s
}

func TestTopSessionsOfAllNodes(t *testing.T) {
	nodes := newCluster(t, api.Options{}, "n1", "n2")
	n1, n2 := nodes[0], nodes[1]
	quick := n1.subscribe(t, "A", "y")
	slow := n1.blocked(t, "x")
	if _, err := n1.hub.Publish(t.Context(), "x", engine.Message{Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := n1.hub.Publish(t.Context(), "z", engine.Message{Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	slower := n2.blocked(t, "z")
	for range 3 {
		if _, err := n1.hub.Publish(t.Context(), "z", engine.Message{Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
	}
	type row struct {
		Session string
		Behind  int
	}
	list := func(n *clusterNode, query string) (rows []row) {
		t.Helper()
		got := n.do("GET", "/v2/sessions"+query, "")
		var answer struct{ Sessions []row }
		_, body, _ := strings.Cut(got, "\n\n")
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		return answer.Sessions
	}
	for _, n := range nodes {
		for query, want := range map[string][]row{
			"?order=behind":                {{slower.ID(), 3}, {slow.ID(), 1}, {quick.ID(), 0}},
			"?order=behind&limit=1":        {{slower.ID(), 3}},
			"?order=behind&user=A":         {{quick.ID(), 0}},
			"?order=behind&token=id+of+B":  {{slower.ID(), 3}, {slow.ID(), 1}},
			"?order=since&limit=1&user=A":  {{quick.ID(), 0}},
			"?order=since&user=nobody":     {},
			"?order=behind&user=A&limit=1": {{quick.ID(), 0}},
		} {
			if diff := gocmp.Diff(want, list(n, query)); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", n.name, query, diff)
			}
		}
	}
	n2.silent = true
	if got := n1.do("GET", "/v2/sessions?order=behind", ""); !strings.Contains(got, `"nodes":{"answered":1,"silent":["n2"]}`) {
		t.Errorf("with a silent node: %s", got)
	}
	for query, want := range map[string]string{
		"?order=":                failure(400, "malformed", `The parameter order is \"\": it must be behind or since.`, ""),
		"?order=name":            failure(400, "malformed", `The parameter order is \"name\": it must be behind or since.`, ""),
		"?order=since&after=s_1": failure(400, "malformed", "The parameter after cannot be used with order: the list has no further pages. Use a higher limit.", ""),
		"?order=since&limit=0":   failure(400, "malformed", `The parameter limit is \"0\": it must be a number from 1 to 1000.`, ""),
	} {
		if diff := gocmp.Diff(want, n1.do("GET", "/v2/sessions"+query, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}
