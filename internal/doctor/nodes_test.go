package doctor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestNodes(t *testing.T) {
	const two = `{"node":"n1","live":[{"node":"n1","version":"2.0.0"},{"node":"n2","version":"VERSION"}]}`
	for name, test := range map[string]struct {
		nodes  http.HandlerFunc
		silent string
		want   string
	}{
		"no cluster":     {nodes: says(200, `{"live":[]}`)},
		"two nodes":      {nodes: says(200, strings.Replace(two, "VERSION", "2.0.0", 1)), want: "ok: n1 sees 2 live nodes: n1, n2, and all of them answer"},
		"during upgrade": {nodes: says(200, two), want: "warning: n1 sees 2 live nodes: n1, n2; they have different versions\n  Finish the upgrade: run the same version on all nodes."},
		"a silent node": {
			nodes: says(200, two), silent: "n2",
			want: "FAILED: n1 sees 2 live nodes: n1, n2; no answer comes from n2\n  See the logs of these nodes, and run `boreas cluster status`.",
		},
		"a dead node": {
			nodes: says(200, `{"node":"n1","live":[{"node":"n1"},{"node":"n2"}],"peers":["n1","n2","n3"]}`),
			want:  "FAILED: n1 sees 2 live nodes: n1, n2; not alive: n3\n  Start these nodes, or look at the network between the nodes.",
		},
		"no permission": {nodes: refuses(403, "not_permitted", "No."), want: "skipped: /v2/nodes: No."},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.apiRoutes["/v2/nodes"] = test.nodes
			f.apiRoutes["/v2/stats"] = func(w http.ResponseWriter, r *http.Request) {
				if node := r.URL.Query().Get("node"); node != "" && node == test.silent {
					refuses(503, "node_silent", "It is silent.")(w, r)
					return
				}
				says(200, "{}")(w, r)
			}
			f.start(t, (*httptest.Server).Start)
			if got := examine(t, f, Options{API: f.api.URL, WS: "ws" + strings.TrimPrefix(f.ws.URL, "http")})["nodes"]; got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestAcross checks two nodes that share a log, or do not.
func TestAcross(t *testing.T) {
	const advice = "\n  " + seeNode
	for name, test := range map[string]struct {
		change func(first, other *fake)
		want   string
	}{
		"healthy": {want: "ok: n1 and n2 have what is published at the other one"},
		"a clock is wrong": {
			change: func(_, other *fake) {
				other.apiRoutes["/v2/nodes"] = func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Date", now.Add(time.Minute).Format(http.TimeFormat))
					says(200, `{"node":"n2"}`)(w, r)
				}
			},
			want: "warning: the clocks of n1 and n2 are 1m0s apart: messages expire too early or too late\n  Set both clocks by NTP.\n" +
				"ok: n1 and n2 have what is published at the other one",
		},
		"messages do not arrive": {
			change: func(_, other *fake) { other.apiRoutes["/v2/channels/"] = history("e-1", "e-1") },
			want:   "FAILED: n2 does not have a message that was published at n1: it is still at e-1 after 100ms, and the message has e-a" + advice,
		},
		"messages do not come back": {
			change: func(_, other *fake) { other.apiRoutes["/v2/channels/"] = history("f-b", "e-a") },
			want:   "FAILED: n1 does not have a message that was published at n2: it is still at e-a after 100ms, and the message has f-b" + advice,
		},
		"no publishing": {
			change: func(_, other *fake) {
				other.apiRoutes["/v2/channels/"] = func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						refuses(503, "cluster_unavailable", "No majority.")(w, r)
						return
					}
					history("e-a", "e-a")(w, r)
				}
			},
			want: "FAILED: n2 does not publish: No majority." + advice,
		},
		"the same node": {
			change: func(_, other *fake) { other.apiRoutes["/v2/nodes"] = says(200, `{"node":"n1"}`) },
			want:   "FAILED: http://API and http://OTHER are both the node n1\n  Give the API of each node by itself, not that of a load balancer.",
		},
		"no node": {
			change: func(_, other *fake) { other.apiRoutes["/v2/nodes"] = says(200, `{"live":[]}`) },
			want:   "FAILED: http://OTHER is not a node of a cluster\n  Start it with the option `cluster_peers` or `engine`, or give the URL of a node.",
		},
		"no permission": {
			change: func(_, other *fake) { other.apiRoutes["/v2/nodes"] = refuses(403, "not_permitted", "No.") },
			want:   "FAILED: http://OTHER/v2/nodes: No.\n  Give a key with the verb stats.",
		},
		"nothing listens": {
			change: func(_, other *fake) { other.api.Close() },
			want:   "FAILED: nothing listens at OTHER\n  Start the server, or use the port in its log.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, other := newFake(), newFake()
			for i, f := range []*fake{first, other} {
				f.apiRoutes["/v2/nodes"] = says(200, `{"node":"n`+string('1'+rune(i))+`"}`)
				f.apiRoutes["/v2/channels/"] = history("e-a", "e-a")
				f.wsRoutes["/v2/events"] = says(404, "{}")
				f.start(t, (*httptest.Server).Start)
			}
			if test.change != nil {
				test.change(first, other)
			}
			got := examine(t, first, Options{
				API: first.api.URL, WS: "ws" + strings.TrimPrefix(first.ws.URL, "http"), Nodes: []string{other.api.URL}, Wait: 100 * time.Millisecond,
			})["across"]
			if got = strings.ReplaceAll(got, other.api.Listener.Addr().String(), "OTHER"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// history returns an API that publishes at a position, and has read up to another one.
func history(publishes, at string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			says(201, `{"position":"`+publishes+`","subscribers":0}`)(w, r)
			return
		}
		says(200, `{"channel":"c","position":"`+at+`"}`)(w, r)
	}
}

func TestReaches(t *testing.T) {
	for _, test := range []struct {
		position, wanted string
		want             bool
	}{
		{"e-a", "e-a", true},
		{"e-b", "e-a", true},
		{"e-10", "e-z", true},
		{"e-9", "e-a", false},
		{"e-z", "e-10", false},
		{"f-b", "e-a", false},
		{"", "e-a", false},
		{"e-a", "", false},
		{"f-10", "e-a", false},
	} {
		if got := reaches(test.position, test.wanted); got != test.want {
			t.Errorf("reaches(%q, %q) = %v", test.position, test.wanted, got)
		}
	}
}
