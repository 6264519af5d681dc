package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
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

// With last and before a page is read from its end backwards, but its messages are in order.
func TestHistoryBackwards(t *testing.T) { // clauses 7.1, 7.2
	r := newRig(t, boreas.Options{}, api.Options{})
	const path = "/v2/channels/c/messages"
	empty := r.page(t, path).Position
	for i := range 5 {
		r.do("POST", path, fmt.Sprint(i))
	}
	var at []string
	for _, m := range r.page(t, path).Messages {
		at = append(at, m.Position)
	}
	page := func(from, to int, position string, more bool) string {
		var messages []string
		for i := from; i < to; i++ {
			messages = append(messages, fmt.Sprintf(`{"message":%d,"position":"E-%d"}`, i, i+1))
		}
		return told(200, fmt.Sprintf(`{"channel":"c","messages":[%s],"position":"%s","more":%v}`, strings.Join(messages, ","), position, more))
	}
	for query, want := range map[string]string{
		"last=2":                       page(3, 5, "E-5", true),
		"last=5":                       page(0, 5, "E-5", false),
		"last=1000&times=false":        page(0, 5, "E-5", false),
		"before=" + at[4]:              page(0, 4, "E-4", false),
		"before=" + at[4] + "&limit=2": page(2, 4, "E-4", true),
		"before=" + at[2] + "&limit=2": page(0, 2, "E-2", false),
		"before=" + at[0]:              page(0, 0, "E-1", false),
		"before=" + empty:              page(0, 0, "E-0", false),
		"last=2&limit=2":               malformed(onlyOne),
		"last=2&since=" + at[0]:        malformed(onlyOne),
		"last=2&before=" + at[0]:       malformed(onlyOne),
		"before=1-1&since=1-1":         malformed(onlyOne),
		"last=0":                       malformed(`The parameter last is \"0\": it must be a number from 1 to 1000.`),
		"last=1001":                    malformed(`The parameter last is \"1001\": it must be a number from 1 to 1000.`),
		"before=x":                     failure(400, "bad_position", `Position \"x\": not a position: send the text that came with a message or a join, unchanged.`, ""),
		"times=1":                      malformed(`The parameter times is \"1\": it must be true or false.`),
		"first=1":                      malformed(`Unknown parameter \"first\": this path accepts since, before, last, times, limit.`),
	} {
		if diff := cmp.Diff(strings.TrimSuffix(want, "\n"), r.ask("GET", path+"?"+query, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	if diff := cmp.Diff(told(200, `{"channel":"none","messages":[],"position":"E-0","more":false}`), r.ask("GET", "/v2/channels/none/messages?last=3", "")); diff != "" {
		t.Errorf("last of nothing (-want +got):\n%s", diff)
	}
}

const onlyOne = "Send only one of since, before and last, and no limit with last."

func malformed(message string) string { return failure(400, "malformed", message, "") }

// Positions that are not in the log are refused as with since.
func TestHistoryBeforeWrongPositions(t *testing.T) { // clause 7.4
	memory := memory.New(memory.Options{Messages: 2})
	t.Cleanup(func() { memory.Close() })
	r := newRig(t, boreas.Options{Engine: memory}, api.Options{})
	const path = "/v2/channels/c/messages"
	r.do("POST", path, "1")
	first := r.page(t, path).Position
	for _, m := range []string{"2", "3", "4"} {
		r.do("POST", path, m)
	}
	epoch, _, _ := strings.Cut(first, "-")
	for position, want := range map[string]string{
		first:                    told(200, `{"channel":"c","messages":[],"position":"E-1","more":false}`), // nothing before it is kept
		"1-1":                    failure(410, "unknown_epoch", "Position belongs to an earlier log of the channel.", `,"oldest":"E-2"`),
		"1-0":                    failure(410, "unknown_epoch", "Position belongs to an earlier log of the channel.", `,"oldest":"E-2"`),
		epoch + "-9":             failure(410, "ahead", "Position is ahead of the channel's log.", `,"oldest":"E-2"`),
		epoch + "-fvvvvvvvvvvvv": failure(410, "ahead", "Position is ahead of the channel's log.", `,"oldest":"E-2"`),
	} {
		if diff := cmp.Diff(strings.TrimSuffix(want, "\n"), r.ask("GET", path+"?before="+position, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", position, diff)
		}
	}
}

// Following the first position of each page backwards yields every message once.
func TestHistoryPagesBackwards(t *testing.T) { // clauses 7.2, 7.3
	r := newRig(t, boreas.Options{}, api.Options{})
	const path = "/v2/channels/c/messages"
	var want, got []string
	for i := range 12 {
		want = append(want, fmt.Sprint(i))
		r.do("POST", path, fmt.Sprintf(`["%d","%s"]`, i, strings.Repeat("x", 100<<10)))
	}
	var pages []int
	for next := path + "?last=1000"; ; {
		p := r.page(t, next)
		var page []string
		for _, m := range p.Messages {
			var text []string
			if err := json.Unmarshal(m.Message, &text); err != nil {
				t.Fatal(err)
			}
			page = append(page, text[0])
		}
		got, pages = append(page, got...), append(pages, len(page))
		if !p.More {
			break
		}
		next = path + "?limit=1000&before=" + p.Messages[0].Position
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{3, 3, 3, 3}, pages); diff != "" {
		t.Errorf("messages a page (-want +got):\n%s", diff)
	}
}

// With times each message has the time when it was published, in UTC.
func TestHistoryTimes(t *testing.T) { // clause 7.2
	shared := boreastest.NewShared(0)
	r := newRig(t, boreas.Options{Engine: timed{shared}}, api.Options{})
	const path = "/v2/channels/c/messages"
	r.do("POST", path, "1")
	r.do("POST", path, "2")
	const want = `{"channel":"c","messages":[{"message":1,"position":"E-1","time":"2026-11-29T10:11:12.001Z"},{"message":2,"position":"E-2","time":"2026-11-29T10:11:12.002Z"}],"position":"E-2","more":false}`
	for _, query := range []string{"?times=true", "?times=true&last=2"} {
		if diff := cmp.Diff(told(200, want), r.ask("GET", path+query, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// timed is an engine that gives known times to publications: one second, plus the offset in milliseconds.
type timed struct{ engine.Engine }

func (e timed) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, err := e.Engine.Read(ctx, channel, since, limit)
	for i, p := range h.Publications {
		h.Publications[i] = &engine.Publication{Offset: p.Offset, Data: p.Data, Time: time.Date(2026, 11, 29, 10, 11, 12, int(p.Offset)*1e6, time.UTC).UnixNano()}
	}
	return h, err
}
