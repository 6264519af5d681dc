package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// published publishes a message and returns its position.
func (r *rig) published(channel, data string) string {
	r.t.Helper()
	ack, err := r.hub.Publish(r.t.Context(), channel, engine.Message{Data: []byte(data)})
	if err != nil {
		r.t.Fatal(err)
	}
	return ack.Position.String()
}

// blockedFor are the parts of an answer that differ from run to run.
var blockedFor = regexp.MustCompile(`"(blocked_ms)":\d+`)

// trace asks about a message, and replaces the parts that differ from run to run.
func (r *rig) trace(channel, position string, headers ...string) string {
	got := r.ask("GET", "/v2/channels/"+channel+"/messages/"+position, "", headers...)
	return blockedFor.ReplaceAllString(variable.ReplaceAllString(got, `"$1":"T"`), `"$1":0`)
}

func (r *rig) wantTrace(what, want, got string) {
	r.t.Helper()
	if diff := gocmp.Diff(told(200, want), got); diff != "" {
		r.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestTrace(t *testing.T) {
	log := tail.New()
	r := newRig(t, boreas.Options{Tail: log, Rules: new(boreas.Rules).Add(boreastest.Pattern("chat/1"), boreas.Rule{ClientPublish: true})}, api.Options{Tail: log})
	const head = `{"channel":"news","position":"E-1","time":"T","size":12,"message":{"a": "<b>"}`
	unknown := r.published("news", `{"a": "<b>"}`)
	r.wantTrace("without subscribers", head+`,"delivered":0,"subscribers":0,"behind":[]}`, r.trace("news", unknown))

	quick := r.subscribe(t, "ann", "news", "chat/1")
	slow := r.blocked(t, "news")
	watcher, err := log.Watch(tail.Filter{}) // from now on publishers are known
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close()
	key, made := r.makeKey("shop", auth.KeyPublish|auth.KeySessions)
	view, _ := r.makeKey("page", auth.KeyView)
	admin := []string{"Authorization", "Bearer " + key}
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r.do("POST", "/v2/channels/news/messages", "1", append(admin, "Traceparent", trace)...)
	second := r.head("news")
	r.published("news", "2")
	quick.next(t)
	quick.next(t)
	late := `[{"session":"` + slow.ID() + `","user":"B","behind":2,"blocked_ms":0}]`
	by := `,"by":{"key":"` + made.ID + `","name":"shop"},"traceparent":"` + trace + `"`
	const front = `{"channel":"news","position":"E-2","time":"T","size":1`
	r.wantTrace("by a key", front+`,"message":1`+by+`,"delivered":1,"subscribers":2,"behind":`+late+`}`, r.trace("news", second, admin...))
	r.wantTrace("with view", front+by+`,"delivered":1,"subscribers":2,"behind":`+late+`}`, r.trace("news", second, "Authorization", "Bearer "+view))

	if _, err := quick.Publish(t.Context(), "chat/1", engine.Message{Data: []byte("3")}, boreas.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	quick.next(t)
	r.wantTrace("by a session", `{"channel":"chat/1","position":"E-1","time":"T","size":1,"message":3,"by":{"token":"id of ann","user":"ann","session":"`+quick.ID()+`"},"delivered":1,"subscribers":1,"behind":[]}`,
		r.trace("chat%2F1", r.head("chat/1"), admin...))
}

func TestTraceOfAPositionWithoutAMessage(t *testing.T) {
	e := memory.New(memory.Options{Messages: 2})
	defer e.Close()
	r := newRig(t, boreas.Options{Engine: e}, api.Options{})
	start := r.head("news")
	var at []string
	for i := range 3 {
		at = append(at, r.published("news", fmt.Sprint(i)))
	}
	ahead := strings.TrimSuffix(at[2], "3") + "4"
	const never = "No message has this position: it is the start of the log, or a place between two messages. Use the position that came with the message or its publish, unchanged, and the channel of that message."
	for name, c := range map[string]struct {
		channel, at, code, message, oldest string
		status                             int
	}{
		"expired":     {"news", at[0], "no_message", "The channel does not keep the message any more: it keeps only the messages after `oldest`. To keep messages longer, raise the options history_messages, history_bytes and history_age, or those of the channel's rule.", at[0], 404},
		"the start":   {"empty", r.head("empty"), "no_message", never, r.head("empty"), 404},
		"ahead":       {"news", ahead, "no_message", "The position is after the newest message, so no message of this log has had it yet. If it came with a message of this channel, the log has lost its end: publish the message again.", at[0], 404},
		"other epoch": {"news", "1-1", "no_message", "The position belongs to another log: of another channel or server, or an earlier one of this channel, whose messages are lost. Check the channel. If it is the right one, publish the message again; with data_dir, messages survive a restart.", at[0], 404},
		"no position": {"news", "yesterday", "bad_position", `Position \"yesterday\": not a position: send the text that came with a message or a join, unchanged.`, "", 400},
		"no channel":  {"", start, "channel_name", "Not a channel name: it is empty.", "", 400},
	} {
		more := ""
		if c.oldest != "" {
			more = `,"oldest":"` + c.oldest + `"`
		}
		want := failure(c.status, c.code, c.message, more)
		if diff := gocmp.Diff(want, r.do("GET", "/v2/channels/"+c.channel+"/messages/"+c.at, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTraceOnAllNodes(t *testing.T) {
	logger, log := testlog.New()
	nodes := newCluster(t, api.Options{Log: logger}, "n1", "n2")
	n1, n2 := nodes[0], nodes[1]
	a, b := n1.subscribe(t, "A", "x"), n2.subscribe(t, "A", "x")
	slower := n2.blocked(t, "x")
	n1.published("x", "0")
	slow := n1.blocked(t, "x")
	w, err := n2.tail.Watch(tail.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	by, err := n2.hub.Publish(tail.WithPublisher(t.Context(), tail.Publisher{User: "bob", Token: "tok_1"}), "x", engine.Message{Data: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}
	at := by.Position.String()
	for _, s := range []*subscriber{a, a, b, b} {
		s.next(t)
	}
	const head = `{"channel":"x","position":"E-2","time":"T","size":1,"message":1`
	lateSlow := `{"session":"` + slow.ID() + `","user":"B","behind":1,"blocked_ms":0}`
	lateSlower := `{"session":"` + slower.ID() + `","user":"B","behind":2,"blocked_ms":0}`
	const bob = `,"by":{"token":"tok_1","user":"bob","node":"n2"}`
	for _, n := range nodes {
		n.wantTrace(n.name, head+bob+`,"delivered":2,"subscribers":4,"behind":[`+lateSlower+","+lateSlow+`],"nodes":{"answered":2,"silent":[]}}`, n.trace("x", at))
	}
	alone := head + `,"delivered":1,"subscribers":2,"behind":[` + lateSlow + `],"nodes":{"answered":1,"silent":["n2"]}}`
	n2.silent = true
	n1.wantTrace("with a silent node", alone, n1.trace("x", at))
	n2.silent = false
	row := func(more string) string {
		return `{"subscribers":1,"delivered":0,"behind":[{"session":"s_n2_1","behind":1` + more + `}]}`
	}
	for _, text := range []string{
		"", "{}", `{"subscribers":-1}`, `{"subscribers":1,"delivered":2}`, `{"subscribers":1,"delivered":-1}`, row(`,"session":"s_n1_1"`), row(`,"behind":0`), row(`,"blocked_ms":-1`),
		row(`,"user":"` + strings.Repeat("x", 1025) + `"`), strings.Replace(row(""), `"delivered":0`, `"delivered":1`, 1), `{"subscribers":0,"by":{"user":"` + strings.Repeat("x", 1025) + `"}}`,
	} {
		n2.spoils = func(string, []byte) []byte { return []byte(text) }
		n1.wantTrace("with the answer "+text, alone, n1.trace("x", at))
	}
	if !strings.Contains(log.String(), "cannot be used") {
		t.Error("the log has no record of a bad answer")
	}
	if got := n1.answer(t.Context(), "trace", []byte(`{"channel":"x","position":"yesterday"}`)); got != nil {
		t.Errorf("a question without a position was answered: %s", got)
	}
}

// Two names in a path, and paths that look like it.
func TestPathsWithTwoNames(t *testing.T) {
	for path, want := range map[string]string{
		"/v2/channels/a/messages/1-1":    "GET /v2/channels/{channel}/messages/{position}",
		"/v2/channels//messages/1-1":     "GET /v2/channels/{channel}/messages/{position}",
		"/v2/channels/a/messages":        "GET /v2/channels/{channel}/messages",
		"/v2/channels/a/messages/":       "",
		"/v2/channels/a/messages/1-1/":   "",
		"/v2/channels/a/messages/1-1/b":  "",
		"/v2/channels/a/other/1-1":       "",
		"/v2/channels/messages/messages": "GET /v2/channels/{channel}/messages",
	} {
		req, err := http.NewRequest("GET", path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := api.PatternOf(req); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
