package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestChannelsOfAllNodes(t *testing.T) {
	nodes := newCluster(t, api.Options{}, "n1", "n2", "n3")
	n1, n2, n3 := nodes[0], nodes[1], nodes[2]
	n1.subscribe(t, "A", "a", "c")
	n2.subscribe(t, "A", "b", "c")
	n2.subscribe(t, "A", "c", "d")
	n3.subscribe(t, "A", "c", "x.1")
	n1.do("POST", "/v2/channels/m/messages", "1") // a channel without subscribers
	row := func(name string, subscribers int) string {
		at := "0"
		if name == "m" {
			at = "1"
		}
		return fmt.Sprintf(`{"channel":"%s","subscribers":%d,"position":"E-%s","oldest":"E-0","rule":null,"published":%s`, name, subscribers, at, at)
	}
	all := `,"nodes":{"answered":3,"silent":[]}}`
	for _, n := range nodes {
		for _, q := range []struct{ path, want string }{
			{"", `{"channels":[` + row("a", 1) + "}," + row("b", 1) + "}," + row("c", 4) + "}," + row("d", 1) + "}," + row("m", 0) + "}," + row("x.1", 1) + "}]"},
			{"?limit=3", `{"channels":[` + row("a", 1) + "}," + row("b", 1) + "}," + row("c", 4) + `}],"next":"c"`},
			{"?limit=2&after=b", `{"channels":[` + row("c", 4) + "}," + row("d", 1) + `}],"next":"d"`},
			{"?limit=2&after=d", `{"channels":[` + row("m", 0) + "}," + row("x.1", 1) + "}]"},
			{"?prefix=x.", `{"channels":[` + row("x.1", 1) + "}]"},
			{"/c", row("c", 4)},
			{"/none", row("none", 0)},
		} {
			if diff := cmp.Diff(told(200, q.want+all), n.ask("GET", "/v2/channels"+q.path, "")); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", n.name, q.path, diff)
			}
		}
	}
	for _, n := range nodes {
		n.do("POST", "/v2/channels/m/messages", "2")
		for _, q := range []struct{ path, want string }{
			{"?order=subscribers&limit=2", `{"channels":[` + row("c", 4) + "}," + row("a", 1) + "}]"},
			{"?order=subscribers&prefix=x", `{"channels":[` + row("x.1", 1) + "}]"},
			{"?order=messages&prefix=x", `{"channels":[]`},
		} {
			if diff := cmp.Diff(told(200, q.want+all), n.ask("GET", "/v2/channels"+q.path, "")); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", n.name, q.path, diff)
			}
		}
	}
	n1.do("POST", "/v2/channels/c/messages", "3")
	busiest := `{"channels":[{"channel":"m","subscribers":0,"position":"E-4","oldest":"E-0","rule":null,"published":4},{"channel":"c","subscribers":4,"position":"E-1","oldest":"E-0","rule":null,"published":1}]`
	if diff := cmp.Diff(told(200, busiest+all), n2.ask("GET", "/v2/channels?order=messages", "")); diff != "" {
		t.Errorf("the busiest channels (-want +got):\n%s", diff)
	}
	for query, want := range map[string]string{
		"?order=name":             `The parameter order is \"name\": it must be subscribers or messages.`,
		"?order=messages&after=a": "The parameter after cannot be used with order: the list has no further pages. Use a higher limit.",
	} {
		if diff := cmp.Diff(failure(400, "malformed", want, ""), n1.do("GET", "/v2/channels"+query, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	// The other node has more channels than the page, and this node has none.
	page := `{"channels":[` + row("x.1", 1) + "}," + row("x.2", 1) + `}],"next":"x.2"`
	n3.subscribe(t, "A", "x.2", "x.3")
	if diff := cmp.Diff(told(200, page+all), n1.ask("GET", "/v2/channels?prefix=x.&limit=2", "")); diff != "" {
		t.Errorf("a page that only another node has (-want +got):\n%s", diff)
	}
	n2.silent = true
	n1.lost = []string{"n2"} // and it is found to be dead meanwhile
	if diff := cmp.Diff(told(200, strings.NewReplacer(`"E-0","oldest"`, `"E-1","oldest"`, `"published":0`, `"published":1`).Replace(row("c", 2))+`,"nodes":{"answered":2,"silent":["n2"]}}`), n1.ask("GET", "/v2/channels/c", "")); diff != "" {
		t.Errorf("with a silent node (-want +got):\n%s", diff)
	}
}

// The classic lists have the sessions of all nodes. Their bodies are those of Boreas 1.0, so a header
// names the silent nodes.
func TestClassicListsOfAllNodes(t *testing.T) {
	nodes := newCluster(t, api.Options{}, "n1", "n2")
	nodes[0].subscribe(t, "A", "x")
	nodes[0].subscribe(t, "B", "x")
	nodes[1].subscribe(t, "A", "x")
	nodes[1].subscribe(t, "C")
	for path, want := range map[string]string{
		"/token/":      `{"tokens": ["A", "B", "C"]}`,
		"/x/token/":    `{"tokens": ["A", "A", "B"]}`,
		"/none/token/": `{"tokens": []}`,
	} {
		for _, n := range nodes {
			if diff := cmp.Diff(told(200, want), n.do("GET", path, "")); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", n.name, path, diff)
			}
		}
	}
	nodes[1].silent = true
	want := "200\nBoreas-Silent-Nodes: n2\nContent-Type: application/json\nX-Content-Type-Options: nosniff\n\n" + `{"tokens": ["A", "B"]}`
	if diff := cmp.Diff(want, nodes[0].do("GET", "/token/", "")); diff != "" {
		t.Errorf("with a silent node (-want +got):\n%s", diff)
	}
}

func TestStatsOfAllNodes(t *testing.T) {
	nodes := newCluster(t, api.Options{}, "n1", "n2", "n3")
	for i, n := range nodes {
		for range i + 1 {
			n.subscribe(t, "A", "x").End(boreas.ErrSlow)
			n.subscribe(t, "B", "x", "y")
		}
	}
	type stats struct {
		Authenticated, Subscriptions int
		Ended                        map[string]int
		Batches                      []int
		Nodes                        *struct {
			Answered int
			Silent   []string
		}
	}
	of := func(n *clusterNode, query string) (s stats) {
		t.Helper()
		_, body, _ := strings.Cut(n.do("GET", "/v2/stats"+query, ""), "\n\n")
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		return s
	}
	check := func(query string, sessions, answered int, silent ...string) {
		t.Helper()
		for _, n := range nodes[:2] {
			got := of(n, query)
			ended := got.Ended["slow"]
			got.Ended, got.Batches = nil, nil
			want := stats{Authenticated: sessions, Subscriptions: 2 * sessions, Nodes: &struct {
				Answered int
				Silent   []string
			}{answered, append([]string{}, silent...)}}
			if diff := cmp.Diff(want, got); diff != "" || ended != sessions {
				t.Errorf("%s %s: %d have ended (-want +got):\n%s", n.name, query, ended, diff)
			}
		}
	}
	check("", 6, 3)
	check("?node=n3", 3, 3)
	if got := of(nodes[0], "?node=n1"); got.Authenticated != 1 || got.Nodes.Answered != 1 {
		t.Errorf("its own: %+v", got)
	}
	nodes[2].silent = true
	check("", 3, 2, "n3")
	for path, want := range map[string]string{
		"/v2/stats?node=n3": noAnswer("n3"),
		"/v2/stats?node=n9": strings.TrimSuffix(failure(404, "not_found", `No live node has the name \"n9\". The other live nodes: n2, n3.`, ""), "\n"),
	} {
		if diff := cmp.Diff(want, nodes[0].ask("GET", path, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}

	// The sum has all members that the counters of one server have.
	names := func(r *rig) map[string]bool {
		_, body, _ := strings.Cut(r.do("GET", "/v2/stats", ""), "\n\n")
		var members map[string]any
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatal(err)
		}
		found := make(map[string]bool)
		var add func(prefix string, m map[string]any)
		add = func(prefix string, m map[string]any) {
			for name, v := range m {
				found[prefix+name] = true
				if m, ok := v.(map[string]any); ok && name != "nodes" {
					add(prefix+name+".", m)
				}
			}
		}
		add("", members)
		delete(found, "nodes")
		return found
	}
	if diff := cmp.Diff(names(newRig(t, boreas.Options{}, api.Options{})), names(nodes[0].rig)); diff != "" {
		t.Errorf("members (-one server +cluster):\n%s", diff)
	}
	if got := newRig(t, boreas.Options{}, api.Options{}).ask("GET", "/v2/stats?node=n1", ""); got != bad(`The parameter node is \"n1\", but this server is not a node of a cluster: omit it.`) {
		t.Errorf("without a cluster: %s", got)
	}
}

// storing is an engine with files that all nodes share.
type storing struct{ *memory.Engine }

func (e storing) Stats() engine.Stats {
	s := e.Engine.Stats()
	none := engine.Histogram{Bounds: []float64{}, Counts: []uint64{}}
	s.Store = &engine.StoreStats{Segments: 1, Sync: none, Batch: none}
	return s
}

// TestSumsOfAllNodes compares the counters of all nodes with the sums of those of each node. The files
// of the engine, which all nodes share, are only in those of one node.
func TestSumsOfAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := newClusterOn(t, storing{memory.New(memory.Options{})}, api.Options{}, "n1", "n2")
		type stats struct {
			Batches []int
			Engine  struct{ Store json.RawMessage }
		}
		of := func(query string) (s stats) {
			t.Helper()
			_, body, _ := strings.Cut(nodes[0].do("GET", "/v2/stats"+query, ""), "\n\n")
			if err := json.Unmarshal([]byte(body), &s); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			return s
		}
		for _, n := range nodes {
			n.subscribe(t, "A", "x")
		}
		nodes[0].do("POST", "/v2/channels/x/messages", "1")
		synctest.Wait()
		n1, n2, all := of("?node=n1"), of("?node=n2"), of("")
		want := stats{Batches: make([]int, len(n1.Batches))}
		want.Engine.Store = json.RawMessage("null")
		written := 0
		for i := range want.Batches {
			want.Batches[i] = n1.Batches[i] + n2.Batches[i]
			written += want.Batches[i]
		}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("the sums (-want +got):\n%s", diff)
		}
		if written != 2 || n1.Engine.Store == nil {
			t.Errorf("%d batches, and the files %s: the test compares nothing", written, n1.Engine.Store)
		}
	})
}

// lister is a [api.Nodes] that describes the nodes.
type lister struct {
	api.Nodes
	list []api.NodeInfo
}

func (l lister) List() []api.NodeInfo { return l.list }
func (l lister) Peers() []string      { return []string{"n1", "n2", "n3", "n4"} }

func TestNodes(t *testing.T) {
	nodes := newCluster(t, api.Options{}, "n1", "n2")
	if diff := cmp.Diff(told(200, `{"node":"n1","live":[{"node":"n1"},{"node":"n2"}]}`), nodes[0].ask("GET", "/v2/nodes", "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	at := time.Date(2026, 11, 25, 12, 0, 0, 5, time.UTC)
	handlers := &clusterNode{rig: nodes[0].rig, cluster: nodes[0].cluster, name: "n3", handlers: make(map[string]func(context.Context, []byte) []byte)}
	r := newRig(t, boreas.Options{Node: "n3"}, api.Options{Node: "n3", Nodes: lister{handlers, []api.NodeInfo{
		{Name: "n3", Version: "2.0.0", Since: at},
		{Name: "n2", Version: "2.0.1"},
	}}})
	want := `{"node":"n3","live":[{"node":"n1"},{"node":"n2","version":"2.0.1"},{"node":"n3","version":"2.0.0","since":"2026-11-25T12:00:00Z"}],"peers":["n1","n2","n3","n4"]}`
	if diff := cmp.Diff(told(200, want), r.ask("GET", "/v2/nodes", "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(told(200, `{"live":[]}`), newRig(t, boreas.Options{}, api.Options{}).ask("GET", "/v2/nodes", "")); diff != "" {
		t.Errorf("without a cluster (-want +got):\n%s", diff)
	}
}

// A node whose answer cannot be used counts as silent, and nothing of the answer reaches the client.
func TestBadAnswersOfNodes(t *testing.T) {
	logger, log := testlog.New()
	nodes := newCluster(t, api.Options{Log: logger}, "n1", "n2")
	n1, n2 := nodes[0], nodes[1]
	n1.subscribe(t, "A", "a")
	own := n1.sessions("/v2/sessions")
	own = own[strings.Index(own, "{"):strings.Index(own, `,"nodes"`)]
	id := n2.subscribe(t, "A", "b").ID()
	row := func(id, more string) string {
		return `{"id":"` + id + `","transport":"t","since":"2026-11-25T12:00:00Z","joined":1` + more + `}`
	}
	page := func(rows ...string) string { return `{"sessions":[` + strings.Join(rows, ",") + `]}` }
	anything := []string{"", " ", "null", "1", "[]", `"x"`, "{}", `{"x":1}`, "{", strings.Repeat("[", 10_000), `{"sessions":null,"session":3,"ended":null,"channels":null,"subscribers":null,"identities":null,"stats":null}`, strings.Repeat(" ", 8<<20+1)}
	silent := `"nodes":{"answered":1,"silent":["n2"]}`
	for _, q := range []struct {
		path, want string
		answers    []string
	}{
		{"/v2/sessions?limit=2", own + "," + silent, []string{
			page("3"), page(row("s_1", "")), page(row("s_n1_1", "")), page(row("s_n2_2", ""), row("s_n2_1", "")), page(row("s_n2_1", ""), row("s_n2_1", "")),
			page(row("s_n2_01", "")), page(row("s_n2_1", ""), row("s_n2_2", ""), row("s_n2_3", "")), page(row("s_n2_1", `,"joined":-1`)), page(row("s_n2_1", `,"joined":"1"`)),
			page(row("s_n2_1", `,"since":-1`)), page(row("s_n2_1", `,"since":"9999-12-31T23:59:59-01:00"`)), page(row("s_n2_1", `,"expires":"never"`)), page(row("s_n2_1", `,"user":"`+strings.Repeat("x", 1025)+`"`)),
			`{"sessions":[],"more":true}`, `{"sessions":[],"more":true,"last":"s_n1_1"}`, `{"sessions":[` + row("s_n2_2", "") + `],"more":true,"last":"s_n2_1"}`,
		}},
		{"/v2/sessions?limit=2&after=s_n2_5", `{"sessions":[],` + silent, []string{
			page(row("s_n2_5", "")), page(row("s_n2_4", "")), `{"sessions":[],"more":true,"last":"s_n2_5"}`, `{"sessions":[],"more":true,"last":"s_n2_4"}`,
		}},
		{"/v2/sessions?limit=2&order=behind", own + "," + silent, []string{
			page(row("s_n1_1", "")), page(row("s_n2_1", ""), row("s_n2_2", ""), row("s_n2_3", "")), page(row("s_n2_1", ""), row("s_n2_2", `,"behind":1`)),
			page(row("s_n2_1", `,"behind":-1`)), page(row("s_n2_1", `,"blocked_ms":-1`)),
		}},
		{"/v2/channels?limit=2&prefix=a", `{"channels":[` + `{"channel":"a","subscribers":1,"position":"E-0","oldest":"E-0","rule":null,"published":0}` + `],` + silent, []string{
			`{"channels":[{"channel":"","subscribers":1}]}`, `{"channels":[{"channel":"b","subscribers":1}]}`, `{"channels":[{"channel":"a","subscribers":-1}]}`,
			`{"channels":[{"channel":"a2","subscribers":1},{"channel":"a1","subscribers":1}]}`, `{"channels":[{"channel":"a","subscribers":9e18}]}`,
			`{"channels":[{"channel":"a","subscribers":1},{"channel":"a1","subscribers":1},{"channel":"a2","subscribers":1}]}`,
		}},
		{"/v2/channels?limit=2&prefix=a&order=subscribers", `{"channels":[` + `{"channel":"a","subscribers":1,"position":"E-0","oldest":"E-0","rule":null,"published":0}` + `],` + silent, []string{
			`{"channels":[{"channel":"","subscribers":1}]}`, `{"channels":[{"channel":"b","subscribers":1}]}`, `{"channels":[{"channel":"a","subscribers":-1}]}`,
		}},
		{"/v2/channels/a", `{"channel":"a","subscribers":1,"position":"E-0","oldest":"E-0","rule":null,"published":0,` + silent, []string{
			`{"subscribers":-1}`, `{"subscribers":1.5}`, `{"subscribers":1099511627777}`,
			`{"subscribers":1` + strings.Repeat(" ", 8<<20) + "}", // it is too long
		}},
		{"/v2/stats", "", []string{
			`{"stats":3}`, `{"stats":{"publishes":-1}}`, `{"stats":{"publishes":72057594037927937}}`, `{"stats":{"anonymous":-1}}`, `{"stats":{"batches":3}}`,
			`{"stats":{"batches":[72057594037927937]}}`, `{"stats":{"engine":[]}}`, `{"stats":{"ended":{"slow":"1"}}}`,
		}},
		{"/v2/sessions/" + id, "", []string{
			`{"session":` + row("s_n2_1", "") + `}`, `{"session":` + row("s_n1_1", "") + `}`, `{"session":` + row(id, `,"channels":[""]`) + `}`, `{"session":` + row(id, `,"channels":3`) + `}`,
			`{"session":` + row(id, `,"places":[{"channel":"","position":"1-1"}]`) + `}`, `{"session":` + row(id, `,"places":[{"channel":"a","position":"x"}]`) + `}`, `{"session":` + row(id, `,"behind":-1`) + `}`,
		}},
		{"/token/", "", []string{`{"identities":[3]}`, `{"identities":"x"}`}},
	} {
		for _, text := range append(q.answers, anything...) {
			n2.spoils = func(string, []byte) []byte { return []byte(text) }
			got := epoch.ReplaceAllString(n1.sessions(q.path), `"E-$1"`)
			var ok bool
			switch {
			case q.want != "":
				ok = got == told(200, q.want+"}")
			case q.path == "/token/":
				ok = strings.HasPrefix(got, "200\nBoreas-Silent-Nodes: n2\n")
			case q.path == "/v2/stats":
				ok = strings.HasPrefix(got, "200\n") && strings.HasSuffix(got, silent+"}")
			default:
				ok = got == noAnswer("n2")
			}
			if !ok {
				t.Errorf("%s, and the answer %.100q: got %s", q.path, text, got)
			}
		}
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 { // the next record may come after a minute
		t.Errorf("%d records in the log: %s", n, log)
	}

	// Unknown members are ignored: a later version may have more.
	n2.spoils = func(_ string, text []byte) []byte {
		return []byte(strings.Replace(string(text), "{", `{"future":{"a":[1]},`, 1))
	}
	for _, path := range []string{"/v2/sessions", "/v2/channels", "/v2/channels/a", "/v2/stats", "/v2/sessions/" + id} {
		if got := n1.sessions(path); !strings.HasSuffix(got, `"nodes":{"answered":2,"silent":[]}}`) {
			t.Errorf("%s with unknown members: %s", path, got)
		}
	}
}

// A node does not answer questions that are not valid, and says so in its log.
func TestBadQuestionsOfNodes(t *testing.T) {
	logger, log := testlog.New()
	n := newCluster(t, api.Options{Log: logger}, "n1")[0]
	for kind, questions := range map[string][]string{
		"sessions": {`{"limit":0}`, `{"limit":1001}`, `{"limit":-1}`, `{"limit":1,"after":"nonsense"}`, `{"limit":1,"user":3}`},
		"channels": {`{"limit":0}`, `{"limit":1001}`, `{"limit":1,"prefix":3}`},
		"apply":    {`{}`, `{"position":-1,"change":"x"}`, `{"position":99,"change":"x"}`},
	} {
		for _, text := range append(questions, "", "[]", "{", `"x"`) {
			if got := n.answer(t.Context(), kind, []byte(text)); got != nil {
				t.Errorf("%s %q: got %s", kind, text, got)
			}
		}
	}
	if n := strings.Count(log.String(), "was not answered"); n != 1 {
		t.Errorf("%d records in the log: %s", n, log)
	}
}

// FuzzAnswersOfNodes: whatever another node answers, the response is valid.
func FuzzAnswersOfNodes(f *testing.F) {
	nodes := newCluster(f, api.Options{}, "n1", "n2")
	n1, n2 := nodes[0], nodes[1]
	n1.subscribe(f, "A", "a")
	n2.subscribe(f, "B", "b")
	paths := []string{"/v2/sessions", "/v2/sessions?limit=1", "/v2/sessions/s_n2_1", "/v2/channels", "/v2/channels/a", "/v2/stats", "/v2/stats?node=n2", "/token/", "/a/token/", "/v2/channels/a/messages/" + n1.published("a", "1")}
	n2.spoils = func(_ string, text []byte) []byte { f.Add(text); return text }
	for _, path := range paths {
		n1.do("GET", path, "")
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n2.spoils = func(string, []byte) []byte { return text }
		for _, path := range paths {
			status, _, _ := strings.Cut(n1.do("GET", path, ""), "\n")
			_, body, _ := strings.Cut(n1.do("GET", path, ""), "\n\n")
			if !json.Valid([]byte(body)) || status != "200" && status != "404" && status != "503" {
				t.Errorf("%s: got %s %s", path, status, body)
			}
		}
	})
}
