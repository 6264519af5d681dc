package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// since matches a time, which differs from run to run.
var since = regexp.MustCompile(`"since":"[0-9TZ:-]+"`)

func (r *rig) sessions(path string) string {
	return since.ReplaceAllString(r.ask("GET", path, ""), `"since":"T"`) // ask hides the epoch of positions
}

// byNumber compares the names of sessions as numbers.
func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func TestSessions(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	all := []*subscriber{r.subscribe(t, ""), r.subscribe(t, ""), r.subscribe(t, "")}
	slices.SortFunc(all, func(a, b *subscriber) int { return byNumber(a.ID(), b.ID()) })
	a, b, c := all[0], all[1], all[2]
	a.Authenticate(boreastest.Grant("A", "A"))
	a.Join(context.Background(), []boreas.Join{{Channel: "a/b"}, {Channel: "news"}}, nil)
	c.Authenticate(boreastest.Grant("A<", "A<"))
	row := func(s *subscriber, user string, joined int) string {
		if user != "" {
			user = `"user":"` + user + `","token":"id of ` + user + `",`
		}
		return fmt.Sprintf(`{"session":"%s",%s"transport":"test","address":"192.0.2.1:5","since":"T","joined":%d,"behind":0,"blocked_ms":0,"sent":0,"gaps":0`, s.ID(), user, joined)
	}
	rowA, rowB, rowC := row(a, "A", 2), row(b, "", 0), row(c, `A\u003c`, 0)
	noSession := failure(404, "no_session", "No such session.", "")
	for _, q := range []struct{ path, want string }{
		{"/v2/sessions", told(200, `{"sessions":[`+rowA+"},"+rowB+"},"+rowC+"}]}")},
		{"/v2/sessions?limit=2", told(200, `{"sessions":[`+rowA+"},"+rowB+`}],"next":"`+b.ID()+`"}`)},
		{"/v2/sessions?limit=2&after=" + b.ID(), told(200, `{"sessions":[`+rowC+"}]}")},
		{"/v2/sessions?after=" + c.ID(), told(200, `{"sessions":[]}`)},
		{"/v2/sessions?user=A", told(200, `{"sessions":[`+rowA+"}]}")},
		{"/v2/sessions?user=A&limit=1", told(200, `{"sessions":[`+rowA+`}],"next":"`+a.ID()+`"}`)},
		{"/v2/sessions?user=A%3C&limit=1", told(200, `{"sessions":[`+rowC+"}]}")},
		{"/v2/sessions?user=", told(200, `{"sessions":[`+rowB+"}]}")},
		{"/v2/sessions?user=nobody", told(200, `{"sessions":[]}`)},
		{"/v2/sessions?token=id+of+A", told(200, `{"sessions":[`+rowA+"}]}")},
		{"/v2/sessions?token=id+of+A&user=A%3C", told(200, `{"sessions":[]}`)},
		{"/v2/sessions?token=", told(200, `{"sessions":[`+rowB+"}]}")},
		{"/v2/sessions/" + a.ID(), told(200, rowA+`,"channels":["a/b","news"],"places":[{"channel":"a/b","position":"E-0","behind":0},{"channel":"news","position":"E-0","behind":0}]}`)},
		{"/v2/sessions/" + b.ID(), told(200, rowB+`,"channels":[],"places":[]}`)},
		{"/v2/sessions/s_zz", strings.TrimSuffix(noSession, "\n")},
		{"/v2/sessions/%2F", strings.TrimSuffix(noSession, "\n")},
	} {
		if diff := gocmp.Diff(q.want, r.sessions(q.path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q.path, diff)
		}
	}

	if diff := gocmp.Diff("204\n\n", r.do("DELETE", "/v2/sessions/"+a.ID(), "")); diff != "" {
		t.Errorf("DELETE (-want +got):\n%s", diff)
	}
	<-a.finished
	if !errors.Is(a.reason, boreas.ErrTerminated) {
		t.Errorf("the session ended with %v, want %v", a.reason, boreas.ErrTerminated)
	}
	for _, method := range []string{"DELETE", "GET"} {
		if diff := gocmp.Diff(noSession, r.do(method, "/v2/sessions/"+a.ID(), "")); diff != "" {
			t.Errorf("%s after it has ended (-want +got):\n%s", method, diff)
		}
	}
	if diff := gocmp.Diff(told(200, `{"sessions":[`+rowB+"},"+rowC+"}]}"), r.sessions("/v2/sessions")); diff != "" {
		t.Errorf("the remaining sessions (-want +got):\n%s", diff)
	}
}

// The sessions of one user are found page by page.
func TestSessionsOfOneUserAmongMany(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	var want []string
	for i := range 2100 {
		user := "other"
		if i%1000 == 999 {
			user = "U"
		}
		if s := r.subscribe(t, user); user == "U" {
			want = append(want, s.ID())
		}
	}
	slices.SortFunc(want, byNumber)
	var got []string
	for after := ""; ; {
		_, body, _ := strings.Cut(r.do("GET", "/v2/sessions?user=U&limit=1&after="+after, ""), "\n\n")
		var p struct {
			Sessions []struct{ Session string }
			Next     string
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Sessions {
			got = append(got, s.Session)
		}
		if after = p.Next; after == "" {
			break
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPresence(t *testing.T) { // clauses 9.1, 9.3, 9.7
	var rules *boreas.Rules
	for text, rule := range map[string]boreas.Rule{
		"chat.*":  {Presence: boreas.PresenceFull},
		"count.*": {Presence: boreas.PresenceCount},
	} {
		rules = rules.Add(boreastest.Pattern(text), rule)
	}
	r := newRig(t, boreas.Options{Rules: rules}, api.Options{})
	a := r.subscribe(t, "u1", "count.a")
	b := r.subscribe(t, "u1", "chat.a", "count.a")
	for _, s := range []*subscriber{a, b} {
		s.Join(context.Background(), []boreas.Join{{Channel: "chat.a", Info: []byte(`{"name": "<b>"}`)}}, nil)
	}
	c := r.subscribe(t, "u0", "count.a")
	c.Join(context.Background(), []boreas.Join{{Channel: "chat.a", Info: []byte(`{"name":"<b>"}`)}}, nil)
	for _, q := range []struct{ path, want string }{
		{"chat.a", told(200, `{"channel":"chat.a","users":2,"sessions":3,"members":[{"user":"u0","sessions":["`+c.ID()+`"],"info":{"name":"<b>"}},`+
			`{"user":"u1","sessions":["`+b.ID()+`","`+a.ID()+`"]}]}`)},
		{"count.a", told(200, `{"channel":"count.a","users":2,"sessions":3}`)},
		{"chat.empty", told(200, `{"channel":"chat.empty","users":0,"sessions":0,"members":[]}`)},
		{"news", strings.TrimSuffix(failure(409, "presence_off", "Presence is off for this channel.", ""), "\n")},
	} {
		if diff := gocmp.Diff(q.want, r.ask("GET", "/v2/channels/"+q.path+"/presence", "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q.path, diff)
		}
	}
}

// Names in stats are stable: testdata/stats.json contains them, with the values after a little of
// everything.
func TestStats(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	r.subscribe(t, "")
	s := r.subscribe(t, "A", "news")
	r.do("POST", "/v2/channels/news/messages", "12", "Idempotency-Key", "k")
	r.do("POST", "/v2/channels/news/messages", "12", "Idempotency-Key", "k")
	s.next(t)
	s.End(boreas.ErrSlow)
	<-s.finished
	_, body, _ := strings.Cut(r.do("GET", "/v2/stats", ""), "\n\n")
	var stats map[string]any
	if err := json.Unmarshal([]byte(body), &stats); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if want := reflect.TypeFor[boreas.Stats]().NumField(); len(stats) != want {
		t.Errorf("%d members, want %d", len(stats), want)
	}
	engine := stats["engine"].(map[string]any)
	for name, n := range engine {
		if strings.HasSuffix(name, "bytes") && n.(float64) > 0 {
			engine[name] = "some" // the engine estimates these
		}
	}
	got, err := json.MarshalIndent(stats, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile("testdata/stats.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/stats.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("stats differ from testdata/stats.json; if they should, run the test with -update (-want +got):\n%s", diff)
	}
}
