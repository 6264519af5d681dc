package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCallsOfTheAPI(t *testing.T) {
	type call = func(context.Context, *Client) (any, error)
	for name, c := range map[string]struct {
		call   call
		answer http.HandlerFunc
		want   called
	}{
		"publish": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.Publish(ctx, "c/h", json.RawMessage(` { "<b>": 1.0 }`), PublishOptions{})
			},
			says(`{"position":"p1","subscribers":3}`),
			called{Value: `{"position":"p1","subscribers":3}`, Requests: []string{`POST /base/v2/channels/c%2Fh/messages application/json { "<b>": 1.0 }`}},
		},
		"publish of null, checked only": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.Publish(ctx, "a", nil, PublishOptions{DryRun: true})
			},
			says(`{"dry_run":true,"subscribers":3}`),
			called{Value: `{"position":"","subscribers":3}`, Requests: []string{`POST /base/v2/channels/a/messages?dry_run=true application/json null`}},
		},
		"publish refused": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.Publish(ctx, "a", 1, PublishOptions{})
			},
			refuses(413, `{"error":{"code":"too_large","message":"Too large.","retry":"never"}}`),
			called{Error: `publish on "a": the server answered 413 Request Entity Too Large: Too large. (too_large)`, Requests: []string{`POST /base/v2/channels/a/messages application/json 1`}},
		},
		"publish nowhere": {
			func(ctx context.Context, c *Client) (any, error) { return c.Publish(ctx, "", 1, PublishOptions{}) },
			says(""),
			called{Error: "publish: the channel's name is empty"},
		},
		"publish without echo": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.Publish(ctx, "a", 1, PublishOptions{NoEcho: true})
			},
			says(""),
			called{Error: `publish on "a": NoEcho is for publishing over a Conn`},
		},
		"publish many": {
			func(ctx context.Context, c *Client) (any, error) {
				results, err := c.PublishMany(ctx, []Outgoing{{Channel: "a", Message: nil, Key: "k"}, {Channel: "b", Message: 2}})
				return fmt.Sprint(results), err
			},
			says(`{"results":[{"position":"p1","subscribers":1,"duplicate":true},{"error":{"code":"channel_name","message":"No name.","retry":"never"}}]}`),
			called{
				Value:    `"[{{p1 true 1} \u003cnil\u003e} {{ false 0} publish on \"b\": the server refused: No name. (channel_name)}]"`,
				Requests: []string{`POST /base/v2/messages application/json {"messages":[{"channel":"a","key":"k","message":null},{"channel":"b","message":2}]}`},
			},
		},
		"publish many, a result is missing": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.PublishMany(ctx, []Outgoing{{Channel: "a"}})
			},
			says(`{"results":[]}`),
			called{Error: "publish many messages: the answer does not have one result for each message", Requests: []string{`POST /base/v2/messages application/json {"messages":[{"channel":"a","message":null}]}`}},
		},
		"history": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.History(ctx, "a", HistoryOptions{Since: "p0", Limit: 2})
			},
			says(`{"channel":"a","messages":[{"message":null,"position":"p1"}],"position":"p1","more":true}`),
			called{
				Value:    `{"Messages":[{"Channel":"a","Data":null,"Position":"p1","Time":"0001-01-01T00:00:00Z"}],"Position":"p1","More":true}`,
				Requests: []string{"GET /base/v2/channels/a/messages?limit=2&since=p0"},
			},
		},
		"history backwards": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.History(ctx, "a", HistoryOptions{Before: "p9", Limit: 2, Times: true})
			},
			says(`{"channel":"a","messages":[{"message":1,"position":"p1","time":"2026-11-29T10:11:12.345Z"}],"position":"p1","more":true}`),
			called{
				Value:    `{"Messages":[{"Channel":"a","Data":1,"Position":"p1","Time":"2026-11-29T10:11:12.345Z"}],"Position":"p1","More":true}`,
				Requests: []string{"GET /base/v2/channels/a/messages?before=p9&limit=2&times=true"},
			},
		},
		"the newest messages": {
			func(ctx context.Context, c *Client) (any, error) { return c.History(ctx, "a", HistoryOptions{Last: 5}) },
			says(`{}`),
			called{Value: `{"Messages":null,"Position":"","More":false}`, Requests: []string{"GET /base/v2/channels/a/messages?last=5"}},
		},
		"history of options that exclude each other": {
			func(ctx context.Context, c *Client) (any, error) {
				return c.History(ctx, "a", HistoryOptions{Last: 5, Limit: 5})
			},
			says(`{}`),
			called{Error: `read the history of "a": only one of Since, Before and Last can be given, and no Limit with Last`},
		},
		"history from the beginning": {
			func(ctx context.Context, c *Client) (any, error) { return c.History(ctx, "a", HistoryOptions{}) },
			says(`{}`),
			called{Value: `{"Messages":null,"Position":"","More":false}`, Requests: []string{"GET /base/v2/channels/a/messages"}},
		},
		"trace": {
			func(ctx context.Context, c *Client) (any, error) { return c.Trace(ctx, "a/b", "1-2") },
			says(`{"channel":"a/b","position":"1-2","time":"2026-11-29T10:11:12.345Z","size":4,"message":null,"by":{"key":"key_1","name":"n"},"delivered":1,"subscribers":2,"behind":[{"session":"s_1","user":"u","behind":3,"blocked_ms":4}],"nodes":{"answered":1,"silent":["n2"]}}`),
			called{
				Value:    `{"channel":"a/b","position":"1-2","time":"2026-11-29T10:11:12.345Z","size":4,"message":null,"by":{"key":"key_1","name":"n"},"delivered":1,"subscribers":2,"behind":[{"session":"s_1","user":"u","behind":3,"blocked_ms":4}],"nodes":{"answered":1,"silent":["n2"]}}`,
				Requests: []string{"GET /base/v2/channels/a%2Fb/messages/1-2"},
			},
		},
		"trace nothing": {
			func(ctx context.Context, c *Client) (any, error) { return c.Trace(ctx, "a", "") },
			says(`{}`),
			called{Error: "trace a message: the position is empty"},
		},
		"purge": {
			func(ctx context.Context, c *Client) (any, error) { return c.Purge(ctx, "a/b") },
			says(`{"position":"p3"}`),
			called{Value: `"p3"`, Requests: []string{"DELETE /base/v2/channels/a%2Fb/messages"}},
		},
		"purge nothing": {
			func(ctx context.Context, c *Client) (any, error) { return c.Purge(ctx, "") },
			says(`{}`),
			called{Error: "purge a channel: the channel's name is empty"},
		},
		"presence": {
			func(ctx context.Context, c *Client) (any, error) { return c.Presence(ctx, "a") },
			says(`{"channel":"a","users":1,"sessions":2,"members":[{"user":"u","sessions":["s","t"],"info":{}}]}`),
			called{Value: `{"users":1,"sessions":2,"members":[{"user":"u","sessions":["s","t"],"info":{}}]}`, Requests: []string{"GET /base/v2/channels/a/presence"}},
		},
		"a channel": {
			func(ctx context.Context, c *Client) (any, error) { return c.Channel(ctx, "a") },
			says(`{"channel":"a","subscribers":2,"position":"p9","oldest":"p1","published":7}`),
			called{Value: `{"channel":"a","subscribers":2,"position":"p9","oldest":"p1","published":7}`, Requests: []string{"GET /base/v2/channels/a"}},
		},
		"the busiest channels": {
			func(ctx context.Context, c *Client) (any, error) { return c.TopChannels(ctx, "messages", 5) },
			says(`{"channels":[{"channel":"a","subscribers":2,"position":"p9","oldest":"p1","published":7}]}`),
			called{Value: `[{"channel":"a","subscribers":2,"position":"p9","oldest":"p1","published":7}]`, Requests: []string{"GET /base/v2/channels?limit=5&order=messages"}},
		},
		"a session": {
			func(ctx context.Context, c *Client) (any, error) { return c.Session(ctx, "s_1") },
			says(`{"session":"s_1","transport":"websocket","since":"2026-01-02T03:04:05Z","joined":1,"behind":2,"blocked_ms":5,"sent":4,"gaps":3,"channels":["a"],"places":[{"channel":"a","position":"p1","behind":2}]}`),
			called{
				Value:    `{"session":"s_1","user":"","transport":"websocket","address":"","since":"2026-01-02T03:04:05Z","joined":1,"channels":["a"],"behind":2,"blocked_ms":5,"sent":4,"gaps":3,"places":[{"channel":"a","position":"p1","behind":2}]}`,
				Requests: []string{"GET /base/v2/sessions/s_1"},
			},
		},
		"the slowest sessions": {
			func(ctx context.Context, c *Client) (any, error) { return c.TopSessions(ctx, "behind", 5) },
			says(`{"sessions":[{"session":"s_1","since":"2026-01-02T03:04:05Z","behind":2}]}`),
			called{
				Value:    `[{"session":"s_1","user":"","transport":"","address":"","since":"2026-01-02T03:04:05Z","joined":0,"channels":null,"behind":2,"blocked_ms":0,"sent":0,"gaps":0}]`,
				Requests: []string{"GET /base/v2/sessions?limit=5&order=behind"},
			},
		},
		"the caller": {
			func(ctx context.Context, c *Client) (any, error) { return c.Caller(ctx) },
			says(`{"key":null,"verbs":["admin"],"channels":null,"open":true,"node":"n1","version":"v2"}`),
			called{
				Value:    `{"key":"","verbs":["admin"],"channels":null,"open":true,"node":"n1","version":"v2"}`,
				Requests: []string{"GET /base/v2/caller"},
			},
		},
		"the options": {
			func(ctx context.Context, c *Client) (any, error) { return c.Config(ctx) },
			says(`{"options":[{"name":"auth_url","value":"set","from":"file","secret":true}]}`),
			called{
				Value:    `[{"name":"auth_url","value":"set","from":"file","secret":true}]`,
				Requests: []string{"GET /base/v2/config"},
			},
		},
		"end a session": {
			func(ctx context.Context, c *Client) (any, error) { return nil, c.EndSession(ctx, "s_1") },
			refuses(204, ""),
			called{Value: "null", Requests: []string{"DELETE /base/v2/sessions/s_1"}},
		},
		"end no session": {
			func(ctx context.Context, c *Client) (any, error) { return nil, c.EndSession(ctx, "") },
			says(""),
			called{Error: "the session's name is empty"},
		},
		"look at no session": {
			func(ctx context.Context, c *Client) (any, error) { return c.Session(ctx, "") },
			says(""),
			called{Error: "the session's name is empty"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cl, requests := api(t, c.answer)
			if diff := cmp.Diff(c.want, result(t, c.call, cl, requests)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestListsAreReadPageByPage(t *testing.T) {
	answers := []string{`{"channels":[{"channel":"a"},{"channel":"b&"}],"next":"b&"}`, `{"channels":[],"next":"c"}`, `{"channels":[{"channel":"d"}]}`}
	list := func(ctx context.Context, c *Client) (any, error) {
		var names []string
		for info, err := range c.Channels(ctx, "p/") {
			if err != nil {
				return nil, err
			}
			names = append(names, info.Channel)
		}
		return names, nil
	}
	next := 0
	c, requests := api(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, answers[next%len(answers)]) //nolint:errcheck // a test's answer
		next++
	})
	want := called{Value: `["a","b\u0026","d"]`, Requests: []string{
		"GET /base/v2/channels?limit=1000&prefix=p%2F",
		"GET /base/v2/channels?after=b%26&limit=1000&prefix=p%2F",
		"GET /base/v2/channels?after=c&limit=1000&prefix=p%2F",
	}}
	if diff := cmp.Diff(want, result(t, list, c, requests)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A loop that is left requests no further page, and the next loop starts at the first page.
	all := c.Channels(t.Context(), "")
	for range 2 {
		next = 0
		for range all {
			break
		}
		if got, want := <-requests, "GET /base/v2/channels?limit=1000"; got != want || len(requests) > 0 {
			t.Errorf("requested %q and %d more, want %q", got, len(requests), want)
		}
	}

	c, requests = api(t, says(`{"sessions":{}}`))
	sessions := func(ctx context.Context, c *Client) (any, error) {
		for _, err := range c.Sessions(ctx, "u1") {
			return nil, err
		}
		return nil, nil
	}
	got := result(t, sessions, c, requests)
	if got.Error == "" || got.Requests[0] != "GET /base/v2/sessions?limit=1000&user=u1" {
		t.Errorf("got %+v", got)
	}
}

func TestKeyIsSentAsAHeader(t *testing.T) {
	keys := make(chan string, 2)
	c, _ := api(t, func(w http.ResponseWriter, r *http.Request) {
		keys <- fmt.Sprint(r.Header.Values("Idempotency-Key"))
		io.WriteString(w, `{"position":"p","duplicate":true}`) //nolint:errcheck // a test's answer
	})
	for _, key := range []string{"k 1", ""} {
		ack, err := c.Publish(t.Context(), "a", 1, PublishOptions{Key: key})
		if err != nil || !ack.Duplicate {
			t.Errorf("got %v, %v", ack, err)
		}
	}
	if got := fmt.Sprint(<-keys, <-keys); got != "[k 1][]" {
		t.Errorf("keys %s", got)
	}
}

func TestErrorOfTheAPICarriesTheServersFields(t *testing.T) {
	c, _ := api(t, refuses(410, `{"error":{"code":"expired","message":"Gone.","retry":"never","docs":"d","oldest":"p5","retry_after_ms":4000}}`))
	_, err := c.History(t.Context(), "a", HistoryOptions{})
	want := &Error{
		Op: `read the history of "a"`, Status: 410, Code: CodeExpired, Message: "Gone.", Retry: "never", Docs: "d", Oldest: "p5",
		RetryAfter: 4 * time.Second,
	}
	var got *Error
	if !errors.As(err, &got) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
