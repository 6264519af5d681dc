package api_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
)

// noAnswer is the error that names silent nodes.
func noAnswer(names string) string {
	text := failure(503, "node_silent", "Nodes of the cluster that did not answer: "+names+".", "")
	return strings.TrimSuffix(strings.Replace(text, "\nX-", "\nRetry-After: 2\nX-", 1), "\n")
}

func TestSessionsOfAllNodes(t *testing.T) {
	nodes := newCluster(t, api.Options{}, "n2", "n1", "n3")
	n2, n1, n3 := nodes[0], nodes[1], nodes[2]
	a, b, c := n1.subscribe(t, "A", "x"), n2.subscribe(t, "B"), n3.subscribe(t, "A", "x", "y")
	row := func(s *subscriber, user string, joined int) string {
		return fmt.Sprintf(`{"session":"%s","user":"%s","token":"id of %s","transport":"test","address":"192.0.2.1:5","since":"T","joined":%d,"behind":0,"blocked_ms":0,"sent":0,"gaps":0`, s.ID(), user, user, joined)
	}
	rowA, rowB, rowC := row(a, "A", 1), row(b, "B", 0), row(c, "A", 2)
	all := `,"nodes":{"answered":3,"silent":[]}}`
	if !strings.HasPrefix(a.ID(), "s_n1_") {
		t.Fatalf("the ID is %s", a.ID())
	}
	for _, n := range nodes {
		for _, q := range []struct{ path, want string }{
			{"", `{"sessions":[` + rowA + "}," + rowB + "}," + rowC + "}]"},
			{"?limit=1", `{"sessions":[` + rowA + `}],"next":"` + a.ID() + `"`},
			{"?limit=2&after=" + a.ID(), `{"sessions":[` + rowB + "}," + rowC + "}]"},
			{"?limit=1&after=" + a.ID(), `{"sessions":[` + rowB + `}],"next":"` + b.ID() + `"`},
			{"?user=A", `{"sessions":[` + rowA + "}," + rowC + "}]"},
			{"?token=id+of+A&limit=1", `{"sessions":[` + rowA + `}],"next":"` + a.ID() + `"`},
			{"?user=A&limit=1&after=" + a.ID(), `{"sessions":[` + rowC + "}]"},
			{"/" + c.ID(), rowC + `,"channels":["x","y"],"places":[{"channel":"x","position":"E-0","behind":0},{"channel":"y","position":"E-0","behind":0}]`},
			{"/" + b.ID(), rowB + `,"channels":[],"places":[]`},
		} {
			want := told(200, q.want+all)
			if q.path == "/"+c.ID() && n == n3 || q.path == "/"+b.ID() && n == n2 {
				want = strings.Replace(want, `"answered":3`, `"answered":1`, 1) // it need not ask others
			}
			if diff := gocmp.Diff(want, n.sessions("/v2/sessions"+q.path)); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", n.name, q.path, diff)
			}
		}
	}

	noSession := strings.TrimSuffix(failure(404, "no_session", "No such session.", ""), "\n")
	ask := func(n *clusterNode, method, id, want string) {
		t.Helper()
		if diff := gocmp.Diff(want, strings.TrimSuffix(n.sessionsBy(method, "/v2/sessions/"+id), "\n")); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", method, id, diff)
		}
	}
	for _, id := range []string{"s_n3_1", "s_n9_1", "s_1", "nonsense"} { // n9 is not alive
		ask(n1, "GET", id, noSession)
		ask(n1, "DELETE", id, noSession)
	}
	ask(n1, "DELETE", c.ID(), "204\n")
	<-c.finished
	if !errors.Is(c.reason, boreas.ErrTerminated) {
		t.Errorf("the session ended with %v", c.reason)
	}
	ask(n1, "DELETE", c.ID(), noSession)

	// The session of a node that does not answer may or may not have ended.
	n2.silent = true
	ask(n1, "GET", b.ID(), noAnswer("n2"))
	ask(n1, "DELETE", b.ID(), noAnswer("n2"))
	ask(n1, "DELETE", "s_n3_1", noSession)
	if diff := gocmp.Diff(told(200, `{"sessions":[`+rowA+`}],"nodes":{"answered":2,"silent":["n2"]}}`), n1.sessions("/v2/sessions")); diff != "" {
		t.Errorf("with a silent node (-want +got):\n%s", diff)
	}
	n2.silent, n2.late = false, true
	ask(n1, "DELETE", b.ID(), noAnswer("n2"))
	<-b.finished
	n2.late = false
	ask(n1, "DELETE", b.ID(), noSession)

	// A node that is not live any more may still have sessions.
	n1.lost = []string{"n3", "n4", "n1"}
	ask(n1, "DELETE", "s_n4_1", noAnswer("n4"))
	ask(n1, "DELETE", "s_n3_1", noSession) // it has answered
}

func (n *clusterNode) sessionsBy(method, path string) string {
	return since.ReplaceAllString(n.do(method, path, ""), `"since":"T"`)
}

// TestPagesOfAllNodes lists sessions page by page while others begin and end: a session that lives
// the whole time is on exactly one page.
func TestPagesOfAllNodes(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		nodes := newCluster(t, api.Options{}, "b", "a", "c10", "c2")
		user := func() string { return []string{"U", "V"}[r.IntN(2)] }
		var want []string // of the users that are listed
		var others []*subscriber
		query := []string{"", "&user=U", "&token=id+of+V"}[seed%3]
		for range r.IntN(60) {
			name := user()
			s := nodes[r.IntN(r.IntN(len(nodes))+1)].subscribe(t, name)
			if query == "" || strings.HasSuffix(query, name) {
				want = append(want, s.ID())
			}
		}
		come := func() { others = append(others, nodes[r.IntN(len(nodes))].subscribe(t, user())) }
		for range 20 {
			come()
		}
		limit := 1 + r.IntN(12)
		var got []string
		seen := make(map[string]bool)
		pages := 0
		for after := ""; ; pages++ {
			_, body, _ := strings.Cut(nodes[r.IntN(len(nodes))].do("GET", fmt.Sprintf("/v2/sessions?limit=%d&after=%s%s", limit, after, query), ""), "\n\n")
			var page struct {
				Sessions []struct{ Session string }
				Next     string
			}
			if err := json.Unmarshal([]byte(body), &page); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			for _, s := range page.Sessions {
				if seen[s.Session] {
					t.Errorf("seed %d: %s is listed twice", seed, s.Session)
				}
				seen[s.Session] = true
				if slices.Contains(want, s.Session) {
					got = append(got, s.Session)
				}
			}
			if len(page.Sessions) > limit || len(page.Sessions) < limit && page.Next != "" && query == "" {
				t.Errorf("seed %d: a page of %d sessions, and next is %q", seed, len(page.Sessions), page.Next)
			}
			if after = page.Next; after == "" {
				break
			}
			for range r.IntN(4) {
				come()
				i := r.IntN(len(others))
				others[i].End(boreas.ErrTerminated)
				others = slices.Delete(others, i, i+1)
			}
		}
		byID := func(a, b string) int {
			i, j := strings.LastIndexByte(a, '_'), strings.LastIndexByte(b, '_')
			return cmp.Or(strings.Compare(a[:i], b[:j]), byNumber(a, b))
		}
		slices.SortFunc(want, byID)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

// A node examines a limited number of sessions for one request. The page ends there, although a
// later node has found sessions, and the next one begins there.
func TestPagesOfUserOnAllNodes(t *testing.T) {
	nodes := newCluster(t, api.Options{}, "a", "b")
	const examined = 10_000 // by one request
	for range examined + 2000 {
		nodes[0].subscribe(t, "")
	}
	want := []string{nodes[0].subscribe(t, "U").ID(), nodes[1].subscribe(t, "U").ID()}
	var got []string
	pages := 0
	for after := ""; ; {
		_, body, _ := strings.Cut(nodes[1].do("GET", "/v2/sessions?user=U&limit=5&after="+after, ""), "\n\n")
		var page struct {
			Sessions []struct{ Session string }
			Next     string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Sessions {
			got = append(got, s.Session)
		}
		pages++
		if after = page.Next; after == "" {
			break
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" || pages != 2 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
}
