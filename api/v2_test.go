package api_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// epoch matches the part of a position that differs from run to run.
var epoch = regexp.MustCompile(`"[0-9a-z]+-([0-9a-z]+)"`)

// ask is like do, for paths below /v2/. It replaces the epoch of positions by E and removes the
// newline at the end of the body.
func (r *rig) ask(method, target, body string, headers ...string) string {
	return strings.TrimSuffix(epoch.ReplaceAllString(r.do(method, target, body, headers...), `"E-$1"`), "\n")
}

// told returns a whole response of a path below /v2/ with a body.
func told(status int, body string) string { return jsonAnswer(status, body) }

func TestV2PathsAndMethods(t *testing.T) {
	notFound := failure(404, "not_found", "There is nothing at this path.", "")
	notAllowed := func(allow string) string {
		text := failure(405, "method_not_allowed", "This path accepts only "+allow+".", "")
		return strings.Replace(text, "\n", "\nAllow: "+allow+"\n", 1)
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/v2", notFound},
		{"GET", "/v2/", notFound},
		{"GET", "/v2/nothing", notFound},
		{"GET", "/v2/channels/", failure(400, "channel_name", "Not a channel name: it is empty.", "")},
		{"GET", "/v2/channels/a/", notFound},
		{"GET", "/v2/channels/a/b", notFound},
		{"POST", "/v2/channels/a/messages/", notFound},
		{"POST", "/v2/channels/a/b/messages", notFound},
		{"GET", "/v2/sessions/a/b", notFound},
		{"GET", "/v2/stats/", notFound},
		{"POST", "/v2/channels", notAllowed("GET, HEAD")},
		{"PUT", "/v2/channels/a/messages", notAllowed("DELETE, GET, HEAD, POST")},
		{"GET", "/v2/messages", notAllowed("POST")},
		{"PATCH", "/v2/sessions/s_1", notAllowed("DELETE, GET, HEAD")},
		{"GET", "/v2/token/", jsonAnswer(200, `{"tokens": []}`)}, // a classic path, for the channel v2
		{"PUT", "/v2/token/", strings.Replace(errorAnswer(405, "This path accepts only GET, HEAD."), "\n", "\nAllow: GET, HEAD\n", 1)},
	} {
		r := newRig(t, boreas.Options{}, api.Options{})
		if diff := cmp.Diff(c.want, r.do(c.method, c.path, "")); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.method, c.path, diff)
		}
	}
}

func TestV2Queries(t *testing.T) {
	bad := func(message string) string { return failure(400, "malformed", message, "") }
	for path, want := range map[string]string{
		"/v2/channels?limit=0":                bad(`The parameter limit is \"0\": it must be a number from 1 to 1000.`),
		"/v2/channels?limit=1001":             bad(`The parameter limit is \"1001\": it must be a number from 1 to 1000.`),
		"/v2/channels?limit=":                 bad(`The parameter limit is \"\": it must be a number from 1 to 1000.`),
		"/v2/sessions?limit=x":                bad(`The parameter limit is \"x\": it must be a number from 1 to 1000.`),
		"/v2/channels/a/messages?limit=-1":    bad(`The parameter limit is \"-1\": it must be a number from 1 to 1000.`),
		"/v2/channels?limit=1&limit=1":        bad("The parameter limit is given 2 times."),
		"/v2/channels?%zz":                    bad(`The query is not encoded correctly: invalid URL escape \"%zz\".`),
		"/v2/sessions?after=x":                bad(`The parameter after is \"x\": it must be the value of next in the previous page.`),
		"/v2/channels/a/messages?since=x":     failure(400, "bad_position", `Position \"x\": not a position: send the text that came with a message or a join, unchanged.`, ""),
		"/v2/channels/%00/messages":           failure(400, "channel_name", "Not a channel name: control character U+0000 at byte 0.", ""),
		"/v2/channels/%00":                    failure(400, "channel_name", "Not a channel name: control character U+0000 at byte 0.", ""),
		"/v2/channels/%00/presence":           failure(400, "channel_name", "Not a channel name: control character U+0000 at byte 0.", ""),
		"/v2/channels/a?x=%3Cb%3E&y=1&limit=": "", // only that it is refused: which parameter is reported is random
	} {
		r := newRig(t, boreas.Options{}, api.Options{})
		got := r.do("GET", path, "")
		if diff := cmp.Diff(want, got); want != "" && diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if !strings.HasPrefix(got, "400\n") {
			t.Errorf("%s: got %s", path, got)
		}
	}
}

func TestV2ChannelsAndStats(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	r.subscribe(t, "A", "a/b", "news")
	r.subscribe(t, "B", "news")
	for _, channel := range []string{"news", "n%22", "old"} {
		r.do("POST", "/v2/channels/"+channel+"/messages", "1")
	}
	ab := `{"channel":"a/b","subscribers":1,"position":"E-0","oldest":"E-0","rule":null,"published":0}`
	quoted := `{"channel":"n\"","subscribers":0,"position":"E-1","oldest":"E-0","rule":null,"published":1}`
	news := `{"channel":"news","subscribers":2,"position":"E-1","oldest":"E-0","rule":null,"published":1}`
	old := `{"channel":"old","subscribers":0,"position":"E-1","oldest":"E-0","rule":null,"published":1}`
	for _, c := range []struct{ path, want string }{
		{"/v2/channels", `{"channels":[` + ab + "," + quoted + "," + news + "," + old + `]}`},
		{"/v2/channels?limit=2", `{"channels":[` + ab + "," + quoted + `],"next":"n\""}`},
		{"/v2/channels?limit=2&after=n%22", `{"channels":[` + news + "," + old + `]}`},
		{"/v2/channels?prefix=n", `{"channels":[` + quoted + "," + news + `]}`},
		{"/v2/channels?prefix=n&limit=1", `{"channels":[` + quoted + `],"next":"n\""}`},
		{"/v2/channels?prefix=zz", `{"channels":[]}`},
		{"/v2/channels/a%2Fb", ab},
		{"/v2/channels/never", `{"channel":"never","subscribers":0,"position":"E-0","oldest":"E-0","rule":null,"published":0}`},
	} {
		if diff := cmp.Diff(told(200, c.want), r.ask("GET", c.path, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
	if got := r.do("HEAD", "/v2/channels", ""); !strings.HasPrefix(got, "200\n") {
		t.Errorf("HEAD: got %s", got)
	}
}

// deaf is a memory engine that fails to read.
type deaf struct {
	*memory.Engine
	err error
}

func (e deaf) Read(context.Context, string, engine.Position, engine.Limit) (engine.History, error) {
	return engine.History{}, e.err
}

func TestV2ReadsReportTheEnginesError(t *testing.T) {
	internal := failure(500, "internal", "The server failed; its log says why.", "")
	for err, want := range map[error]string{
		engine.ErrClosed:        failure(503, "shutting_down", "The server is shutting down.", ""),
		errors.New("disk full"): strings.Replace(internal, "\nX-", "\nRetry-After: 1\nX-", 1),
	} {
		memory := memory.New(memory.Options{})
		t.Cleanup(func() { memory.Close() })
		r := newRig(t, boreas.Options{Engine: deaf{memory, err}}, api.Options{})
		r.do("POST", "/v2/channels/a/messages", "1")
		for _, path := range []string{"/v2/channels", "/v2/channels/a", "/v2/channels/a/messages", "/v2/channels/a/messages/1-1"} {
			if diff := cmp.Diff(want, r.do("GET", path, "")); diff != "" {
				t.Errorf("%s, %v (-want +got):\n%s", path, err, diff)
			}
		}
	}
}

func TestV2WebPagesOfOtherOriginsAreRefused(t *testing.T) {
	refused := failure(http.StatusForbidden, "origin_not_allowed", "Web pages of other origins may not use this API.", "")
	r := newRig(t, boreas.Options{}, api.Options{})
	for _, c := range []struct{ method, path string }{
		{"POST", "/v2/channels/a/messages"},
		{"POST", "/v2/messages"},
		{"DELETE", "/v2/sessions/s_1"},
	} {
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site", "Content-Type", "text/plain"},
			{"Origin", "http://elsewhere.example", "Content-Type", "application/x-www-form-urlencoded"},
		} {
			if diff := cmp.Diff(refused, r.do(c.method, c.path, "1", headers...)); diff != "" {
				t.Errorf("%s %s with %q (-want +got):\n%s", c.method, c.path, headers, diff)
			}
		}
	}
	if n := r.hub.Stats().Publishes; n > 0 {
		t.Errorf("refused requests published %d messages", n)
	}
}
