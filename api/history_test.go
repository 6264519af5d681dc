package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/api"
	"github.com/boreas-pubsub/boreas/engine/memory"
)

// page is the response of history.
type page struct {
	Channel  string
	Messages []struct {
		Message  json.RawMessage
		Position string
	}
	Position string
	More     bool
}

func (r *rig) page(t *testing.T, path string) page {
	t.Helper()
	_, body, _ := strings.Cut(r.do("GET", path, ""), "\n\n")
	var p page
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%s: %v in %s", path, err, body)
	}
	return p
}

func TestHistory(t *testing.T) { // clauses 7.1, 7.2
	r := newRig(t, boreas.Options{}, api.Options{})
	const path = "/v2/channels/a%2Fb/messages"
	if diff := cmp.Diff(told(200, `{"channel":"a/b","messages":[],"position":"E-0","more":false}`), r.ask("GET", path, "")); diff != "" {
		t.Errorf("nothing yet (-want +got):\n%s", diff)
	}
	for _, m := range []string{`{"n": 1.0}`, "null", `"<&>"`} {
		r.do("POST", path, m)
	}
	since := func(i int) string { return url.QueryEscape(r.page(t, path).Messages[i].Position) }
	for _, c := range []struct{ query, want string }{
		{"", `[{"message":{"n": 1.0},"position":"E-1"},{"message":null,"position":"E-2"},{"message":"<&>","position":"E-3"}],"position":"E-3","more":false}`},
		{"?limit=2", `[{"message":{"n": 1.0},"position":"E-1"},{"message":null,"position":"E-2"}],"position":"E-2","more":true}`},
		{"?limit=3", `[{"message":{"n": 1.0},"position":"E-1"},{"message":null,"position":"E-2"},{"message":"<&>","position":"E-3"}],"position":"E-3","more":false}`},
		{"?limit=1&since=" + since(0), `[{"message":null,"position":"E-2"}],"position":"E-2","more":true}`},
		{"?since=" + since(1), `[{"message":"<&>","position":"E-3"}],"position":"E-3","more":false}`},
		{"?since=" + since(2), `[],"position":"E-3","more":false}`},
	} {
		if diff := cmp.Diff(told(200, `{"channel":"a/b","messages":`+c.want), r.ask("GET", path+c.query, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.query, diff)
		}
	}
}

// A page is limited in bytes. Following `position` from page to page yields every message once.
func TestHistoryPages(t *testing.T) { // clauses 7.2, 7.3
	r := newRig(t, boreas.Options{}, api.Options{})
	var want, got []string
	for i := range 12 {
		size := 100 << 10
		if i == 5 {
			size = 300 << 10 // larger than a page, so it ends one
		}
		want = append(want, fmt.Sprint(i))
		r.do("POST", "/v2/channels/c/messages", fmt.Sprintf(`["%d","%s"]`, i, strings.Repeat("x", size)))
	}
	var pages []int
	path := "/v2/channels/c/messages"
	for next := path; ; {
		p := r.page(t, next)
		for _, m := range p.Messages {
			var text []string
			if err := json.Unmarshal(m.Message, &text); err != nil {
				t.Fatal(err)
			}
			got = append(got, text[0])
		}
		pages = append(pages, len(p.Messages))
		if !p.More {
			break
		}
		next = path + "?since=" + p.Position
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{3, 3, 3, 3}, pages); diff != "" {
		t.Errorf("messages a page (-want +got):\n%s", diff)
	}
}

func TestHistoryThatIsNotKept(t *testing.T) { // clause 7.4
	memory := memory.New(memory.Options{Messages: 2})
	t.Cleanup(func() { memory.Close() })
	r := newRig(t, boreas.Options{Engine: memory}, api.Options{})
	const path = "/v2/channels/c/messages"
	r.do("POST", path, "1")
	first := r.page(t, path).Position
	for _, m := range []string{"2", "3", "4"} {
		r.do("POST", path, m)
	}
	life, _, _ := strings.Cut(first, "-")
	for position, want := range map[string]string{
		first:       failure(410, "expired", "Position has expired: publications after it are no longer kept.", `,"oldest":"E-2"`),
		"1-1":       failure(410, "unknown_epoch", "Position belongs to an earlier log of the channel.", `,"oldest":"E-2"`),
		life + "-9": failure(410, "ahead", "Position is ahead of the channel's log.", `,"oldest":"E-2"`),
	} {
		if diff := cmp.Diff(strings.TrimSuffix(want, "\n"), r.ask("GET", path+"?since="+position, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", position, diff)
		}
	}
}
