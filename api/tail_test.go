package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/ssetest"
	"github.com/boreas-pubsub/boreas/v2/refusal"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// variable are the parts of events that differ from run to run.
var variable = regexp.MustCompile(`"(time)":"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z"`)

// A tailReader reads /v2/tail of a real server.
type tailReader struct {
	t      *testing.T
	events *ssetest.Reader
}

func readTail(t *testing.T, r http.Handler, query string, headers ...string) *tailReader {
	t.Helper()
	server := httptest.NewServer(r)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // so that a missing event fails the test
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v2/tail"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		res.Body.Close()
		server.Close()
	})
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	return &tailReader{t, ssetest.New(res.Body)}
}

// next returns the next event as a line, without its time.
func (r *tailReader) next() string {
	r.t.Helper()
	e, err := r.events.Next()
	if err != nil {
		r.t.Fatal(err)
	}
	return e.Type + " " + variable.ReplaceAllString(e.Data, `"$1":"T"`)
}

func (r *tailReader) want(lines ...string) {
	r.t.Helper()
	var got []string
	for range lines {
		got = append(got, r.next())
	}
	if diff := gocmp.Diff(lines, got); diff != "" {
		r.t.Errorf("(-want +got):\n%s", diff)
	}
}

// toldRig is an API with a tail.
func toldRig(t *testing.T, h boreas.Options) *rig {
	t.Helper()
	log := tail.New()
	h.Tail = log
	return newRig(t, h, api.Options{Tail: log, Refusals: refusal.NewTold(log)})
}

func TestTail(t *testing.T) {
	r := toldRig(t, boreas.Options{Rules: new(boreas.Rules).Add(boreastest.Pattern("room"), boreas.Rule{Presence: boreas.PresenceFull})})
	early := r.subscribe(t, "ann")
	w := readTail(t, r, "")
	w.want(`hello {"time":"T"}`,
		`opened {"time":"T","session":"`+early.ID()+`","address":"192.0.2.1:5","transport":"test"}`,
		`authenticated {"time":"T","session":"`+early.ID()+`","user":"ann","token":"id of ann"}`)
	r.do("POST", "/v2/channels/news/messages", `{"a": "<b>"}`)
	w.want(`message {"time":"T","channel":"news","position":"` + r.head("news") + `","size":12,"message":{"a":"<b>"}}`)
	early.End(boreas.ErrTerminated)
	w.want(`ended {"time":"T","session":"` + early.ID() + `","user":"ann","token":"id of ann","code":"terminated","message":"` + fault.Message(boreas.ErrTerminated) + `"}`)
	s := r.subscribe(t, "bob", "room")
	w.want(`opened {"time":"T","session":"`+s.ID()+`","address":"192.0.2.1:5","transport":"test"}`,
		`authenticated {"time":"T","session":"`+s.ID()+`","user":"bob","token":"id of bob"}`,
		`presence {"time":"T","channel":"room","session":"`+s.ID()+`","user":"bob","action":"enter"}`)
	s.Lost(boreas.ErrLeft)
	w.want(`ended {"time":"T","session":"`+s.ID()+`","user":"bob","token":"id of bob","code":"left","message":"The client closed the connection."}`,
		`presence {"time":"T","channel":"room","session":"`+s.ID()+`","user":"bob","action":"leave"}`)
	r.do("GET", "/v2/sessions", "", "Authorization", "Bearer nonsense")
	if got := w.next(); !strings.HasPrefix(got, `refused {"time":"T","address":`) || !strings.Contains(got, `"verb":"GET /v2/sessions"`) {
		t.Error(got)
	}
}

func (r *rig) head(channel string) string {
	info, err := r.hub.Channel(r.t.Context(), channel)
	if err != nil {
		r.t.Fatal(err)
	}
	return info.Head.String()
}

// The parameters select events, and leave out the messages.
func TestTailParameters(t *testing.T) {
	r := toldRig(t, boreas.Options{})
	w := readTail(t, r, "?channel=chat.*&event=message,gap&payload=false")
	w.want(`hello {"time":"T"}`)
	for _, channel := range []string{"news", "chat.1", "chat.1.log", "chat.2"} {
		r.do("POST", "/v2/channels/"+channel+"/messages", `"x"`)
	}
	w.want(`message {"time":"T","channel":"chat.1","position":"`+r.head("chat.1")+`","size":3}`,
		`message {"time":"T","channel":"chat.2","position":"`+r.head("chat.2")+`","size":3}`)
	for query, message := range map[string]string{
		"?channel=":          "The parameter channel is empty: leave it out to see all.",
		"?channel=a***":      `The parameter channel: pattern "a***": three stars in a row at byte 1: * matches anything except a dot, ** matches anything.`,
		"?event=message,all": `The parameter event has "all": the events are message, opened, authenticated, ended, refused, gap, presence.`,
		"?payload=no":        `The parameter payload is "no": it must be true or false.`,
		"?limit=1":           `Unknown parameter "limit": this path accepts channel, event, user, session, payload.`,
	} {
		if diff := gocmp.Diff(failure(400, "malformed", strings.ReplaceAll(message, `"`, `\"`), ""), r.do("GET", "/v2/tail"+query, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	if got := r.do("HEAD", "/v2/tail", ""); !strings.HasPrefix(got, "200\n") {
		t.Error(got)
	}
}

// The event of a message has its publisher: a key, or the user of a token, over HTTP and over a connection.
func TestTailTellsThePublisher(t *testing.T) {
	r := toldRig(t, boreas.Options{Rules: new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{ClientPublish: true})})
	s := r.subscribe(t, "ann", "a")
	key, made, err := r.authority.CreateKey(auth.Key{Name: "k", Verbs: auth.KeyPublish | auth.KeySessions})
	if err != nil {
		t.Fatal(err)
	}
	id := made.ID
	admin, _, err := r.authority.CreateKey(auth.Key{Name: "admin", Verbs: auth.KeyAdmin})
	if err != nil {
		t.Fatal(err)
	}
	w := readTail(t, r, "?event=message&payload=false", "Authorization", "Bearer "+key)
	w.want(`hello {"time":"T"}`)
	r.do("POST", "/v2/channels/a/messages", `"1"`, "Authorization", "Bearer "+key)
	w.want(`message {"time":"T","channel":"a","position":"` + r.head("a") + `","size":3,"key":"` + id + `"}`)
	r.do("POST", "/v2/messages", `{"messages":[{"channel":"a","message":1}]}`, "Authorization", "Bearer "+key)
	w.want(`message {"time":"T","channel":"a","position":"` + r.head("a") + `","size":1,"key":"` + id + `"}`)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r.do("POST", "/v2/channels/a/messages", `2`, "Authorization", "Bearer "+key, "Traceparent", trace)
	w.want(`message {"time":"T","channel":"a","position":"` + r.head("a") + `","size":1,"key":"` + id + `","traceparent":"` + trace + `"}`)
	r.do("POST", "/v2/messages", `{"messages":[{"channel":"a","message":1}]}`, "Authorization", "Bearer "+key, "Traceparent", trace)
	w.want(`message {"time":"T","channel":"a","position":"` + r.head("a") + `","size":1,"key":"` + id + `","traceparent":"` + trace + `"}`)
	r.do("POST", "/v2/channels/a/messages", `2`, "Authorization", "Bearer "+key, "Traceparent", "00-wrong")
	w.want(`message {"time":"T","channel":"a","position":"` + r.head("a") + `","size":1,"key":"` + id + `"}`)
	if _, err := s.Publish(t.Context(), "a", engine.Message{Data: []byte("2")}, boreas.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	w.want(`message {"time":"T","channel":"a","position":"` + r.head("a") + `","size":1,"session":"` + s.ID() + `","user":"ann","token":"id of ann"}`)

	// The key is revoked: nothing more is shown.
	r.do("DELETE", "/v2/keys/"+id, "", "Authorization", "Bearer "+admin)
	if _, err := s.Publish(t.Context(), "a", engine.Message{Data: []byte("3")}, boreas.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := w.next(); !strings.HasPrefix(got, `end {"code":"invalid_key"`) {
		t.Error(got)
	}
}

func TestTailOfSeveralNodes(t *testing.T) {
	all := newCluster(t, api.Options{}, "a", "b", "c")
	w := readTail(t, all[0], "?event=message")
	w.want(`hello {"time":"T","node":"a"}`, `nodes {"answered":3,"silent":[]}`)
	all[1].do("POST", "/v2/channels/x/messages", `"1"`)
	w.want(`message {"time":"T","node":"b","channel":"x","position":"` + all[0].head("x") + `","size":3,"message":"1"}`)
	all[0].do("POST", "/v2/channels/x/messages", `"2"`)
	w.want(`message {"time":"T","node":"a","channel":"x","position":"` + all[0].head("x") + `","size":3,"message":"2"}`)
	all[2].cluster.mu.Lock()
	all[2].silent = true
	all[2].cluster.mu.Unlock()
	w.want(`nodes {"answered":2,"silent":["c"]}`)
	const added = tail.MaxQueue + 3
	for range added {
		all[1].tail.Add(tail.Event{Kind: tail.Message, Channel: "y"})
	}
	for n := 0; n < added; {
		var missed struct{ Count int }
		kind, text, _ := strings.Cut(w.next(), " ")
		if err := json.Unmarshal([]byte(text), &missed); err != nil || kind == "missed" != (missed.Count > 0) {
			t.Fatalf("%s %s: %v", kind, text, err)
		}
		n += max(missed.Count, 1)
	}
}

// A key that may only view gets no messages.
func TestTailForViewers(t *testing.T) {
	r := toldRig(t, boreas.Options{})
	key, _, err := r.authority.CreateKey(auth.Key{Name: "k", Verbs: auth.KeyView})
	if err != nil {
		t.Fatal(err)
	}
	w := readTail(t, r, "?payload=true", "Authorization", "Bearer "+key)
	w.want(`hello {"time":"T"}`)
	if _, err := r.hub.Publish(t.Context(), "a", engine.Message{Data: []byte("2")}); err != nil {
		t.Fatal(err)
	}
	w.want(`message {"time":"T","channel":"a","position":"` + r.head("a") + `","size":1}`)
}

// A key that is limited to channels gets the events of its channels, and nothing else.
func TestTailOfALimitedKey(t *testing.T) {
	all := newCluster(t, api.Options{Refusals: refusal.New()}, "a", "b")
	key, _ := all[0].makeKey("limited", auth.KeySessions, "chat.*", "news")
	publisher, _ := all[0].makeKey("shop", auth.KeyPublish)
	limited := []string{"Authorization", "Bearer " + key}
	all[0].subscribe(t, "ann", "secret")
	w := readTail(t, all[0], "", limited...)
	w.want(`hello {"time":"T","node":"a","channels":["chat.*","news"]}`, `nodes {"answered":2,"silent":[]}`)
	for i, n := range all {
		n.subscribe(t, "bob", "chat.1").End(boreas.ErrTerminated)
		n.published("secret", "1")
		n.tail.Add(tail.Event{Kind: tail.Refused, Verb: "connect"})
		n.tail.Add(tail.Event{Kind: tail.Refused, Channel: "secret"})
		for _, e := range []tail.Event{{Kind: tail.Refused, Channel: "chat.1"}, {Kind: tail.Gap, Channel: "news"}, {Kind: tail.Presence, Channel: "chat.2"}} {
			n.tail.Add(e)
		}
		at := n.published("chat.1", "2")
		node := `{"time":"T","node":"` + string("ab"[i]) + `","channel":`
		w.want("refused "+node+`"chat.1","message":""}`, "gap "+node+`"news","from":"0-0","to":"0-0"}`, "presence "+node+`"chat.2"}`,
			"message "+node+`"chat.1","position":"`+at+`","size":1,"message":2}`)
	}
	narrow := readTail(t, all[0], "?channel=chat.*&event=message,gap", limited...)
	narrow.want(`hello {"time":"T","node":"a","channels":["chat.*","news"]}`)
	if got := narrow.next(); !strings.Contains(got, `"channel":"chat.1"`) && !strings.HasPrefix(got, "nodes ") {
		t.Error(got)
	}
	for query, want := range map[string]string{
		"?event=message,opened": "The key is limited to channels, and the event opened is not about a channel.",
		"?event=authenticated":  "The key is limited to channels, and the event authenticated is not about a channel.",
		"?event=ended":          "The key is limited to channels, and the event ended is not about a channel.",
	} {
		if diff := gocmp.Diff(failure(403, "not_permitted", want, ""), all[0].do("GET", "/v2/tail"+query, "", limited...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	got := all[0].do("GET", "/v2/tail", "", "Authorization", "Bearer "+publisher)
	if !strings.HasPrefix(got, "403\n") {
		t.Errorf("without the verb: %s", got)
	}
}

// A node that does not know the channels of a key may send other events: its answer counts as none.
func TestTailRefusesEventsThatWereNotAskedFor(t *testing.T) {
	all := newCluster(t, api.Options{}, "a", "b")
	key, _ := all[0].makeKey("limited", auth.KeySessions, "chat.*")
	all[1].spoils = func(kind string, answer []byte) []byte {
		if kind != "tail" {
			return answer
		}
		return []byte(`{"events":[{"event":"message","time":"2026-11-29T10:11:12.345Z","channel":"secret","position":"1-1","size":1,"message":1}]}`)
	}
	w := readTail(t, all[0], "", "Authorization", "Bearer "+key)
	w.want(`hello {"time":"T","node":"a","channels":["chat.*"]}`, `nodes {"answered":1,"silent":["b"]}`)
}

// flushCounter counts how often a response is flushed.
type flushCounter struct {
	*httptest.ResponseRecorder
	n int
}

func (f *flushCounter) Flush() { f.n++ }

// On a busy server the stream is not written for each message.
func TestTailGathersMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := tail.New()
		r := newRig(t, boreas.Options{Tail: log}, api.Options{Tail: log})
		ctx, cancel := context.WithCancel(t.Context())
		w := &flushCounter{ResponseRecorder: httptest.NewRecorder()}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.api.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "http://localhost/v2/tail?event=message", nil))
		}()
		synctest.Wait()
		const messages = 100
		for range messages {
			log.Add(tail.Event{Kind: tail.Message, Channel: "a"})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		cancel()
		<-ended
		got := strings.Count(w.Body.String(), "event: message")
		if got != messages || w.n > messages/4 {
			t.Errorf("%d messages in %d writes, want %d in a few", got, w.n, messages)
		}
	})
}
