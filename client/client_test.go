package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// api starts an API that always gives the same answer. It returns a client and the requests that
// the API receives.
func api(t *testing.T, answer http.HandlerFunc) (*Client, <-chan string) {
	t.Helper()
	got := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- strings.TrimSpace(r.Method + " " + r.RequestURI + " " + r.Header.Get("Content-Type") + " " + string(body))
		answer(w, r)
	}))
	c, err := New(Options{API: server.URL + "/base/", MaxResponse: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return c, got
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) } //nolint:errcheck // a test's answer
}

func refuses(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		io.WriteString(w, text) //nolint:errcheck // a test's answer
	}
}

// called is the outcome of a call: its value or its error, and the requests that it made.
type called struct {
	Value, Error string
	Requests     []string
}

func TestCalls(t *testing.T) {
	newToken := func(ctx context.Context, c *Client) (any, error) { return c.NewToken(ctx) }
	list := func(channel ...string) func(context.Context, *Client) (any, error) {
		return func(ctx context.Context, c *Client) (any, error) { return c.ActiveTokens(ctx, channel...) }
	}
	remove := func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteToken(ctx, "se/cret") }
	publish := func(channel string, message any, dry bool) func(context.Context, *Client) (any, error) {
		return func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Broadcast(ctx, channel, message, BroadcastOptions{DryRun: dry})
		}
	}
	for name, c := range map[string]struct {
		call   func(context.Context, *Client) (any, error)
		answer http.HandlerFunc
		want   called
	}{
		"new token": {newToken, says(`{"token": "T-1"}`), called{Value: `"T-1"`, Requests: []string{"POST /base/token/"}}},
		"new token from something else": {
			newToken, says(`{}`),
			called{Error: "make a token: the answer has none; is this the URL of a Boreas API?", Requests: []string{"POST /base/token/"}},
		},
		"new token from a web page": {
			newToken, says(`<html>`),
			called{Error: "make a token: the answer is not that of a Boreas server: invalid character '<' looking for beginning of value", Requests: []string{"POST /base/token/"}},
		},
		"all tokens": {list(), says(`{"tokens": ["a", "b"]}`), called{Value: `["a","b"]`, Requests: []string{"GET /base/token/"}}},
		"tokens of a channel": {
			list("a/b ü?"), says(`{"tokens": ["a", "a"]}`),
			called{Value: `["a","a"]`, Requests: []string{"GET /base/a%2Fb%20%C3%BC%3F/token/"}},
		},
		"tokens of no channel":    {list(""), says(""), called{Error: "the channel's name is empty"}},
		"tokens of many channels": {list("a", "b"), says(""), called{Error: "list tokens: ask for one channel at a time"}},
		"too many tokens": {
			list(), says(`{"tokens": ["` + strings.Repeat("x", 1000) + `"]}`),
			called{Error: "list tokens: the answer is larger than 1000 bytes; raise MaxResponse to accept it", Requests: []string{"GET /base/token/"}},
		},
		"delete a token": {remove, refuses(204, ""), called{Value: "null", Requests: []string{"DELETE /base/token/se%2Fcret"}}},
		"delete an unknown token": {
			remove, refuses(404, `{"errors": ["No such token."]}`),
			called{Error: "delete a token: the server answered 404 Not Found: No such token.", Requests: []string{"DELETE /base/token/se%2Fcret"}},
		},
		"broadcast": {
			publish("ch1", map[string]any{"a": 1}, false), says(""),
			called{Value: "null", Requests: []string{`POST /base/broadcast/ch1/ application/json {"dryrun": false, "payload": {"a":1}}`}},
		},
		"broadcast of raw JSON": {
			publish("c h", json.RawMessage(` { "<b>": 1.0 } `), true), says(""),
			called{Value: "null", Requests: []string{`POST /base/broadcast/c%20h/ application/json {"dryrun": true, "payload": { "<b>": 1.0 }}`}},
		},
		"broadcast refused": {
			publish("ch1", 1, false), refuses(400, `{"errors": ["one", "two"]}`),
			called{Error: `broadcast on "ch1": the server answered 400 Bad Request: one; two`, Requests: []string{`POST /base/broadcast/ch1/ application/json {"dryrun": false, "payload": 1}`}},
		},
		"broadcast of broken JSON": {publish("ch1", json.RawMessage(`{"a"`), false), says(""), called{Error: `broadcast on "ch1": the message is not valid JSON`}},
		"broadcast of null":        {publish("ch1", nil, false), says(""), called{Error: `broadcast on "ch1": the message is null, which the classic wire cannot carry`}},
		"broadcast of a channel":   {publish("ch1", make(chan int), false), says(""), called{Error: `broadcast on "ch1": json: unsupported type: chan int`}},
		"broadcast to nowhere":     {publish("", 1, false), says(""), called{Error: "broadcast: the channel's name is empty"}},
		"no request is repeated": {
			publish("ch1", 1, false), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			called{Error: `broadcast on "ch1": EOF`, Requests: []string{`POST /base/broadcast/ch1/ application/json {"dryrun": false, "payload": 1}`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cl, requests := api(t, c.answer)
			got := result(t, c.call, cl, requests)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// result makes a call and returns its outcome.
func result(t *testing.T, call func(context.Context, *Client) (any, error), c *Client, requests <-chan string) called {
	t.Helper()
	var got called
	value, err := call(t.Context(), c)
	if err != nil {
		got.Error = err.Error()
	} else {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		got.Value = string(text)
	}
	for len(requests) > 0 {
		got.Requests = append(got.Requests, <-requests)
	}
	return got
}

func TestErrorCarriesTheServersReasons(t *testing.T) {
	c, _ := api(t, refuses(503, `{"errors": ["full"]}`))
	_, err := c.NewToken(t.Context())
	want := &Error{Op: "make a token", Status: 503, Errors: []string{"full"}, RetryAfter: 3 * time.Second}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrorsNeverHoldTheToken(t *testing.T) {
	c, _ := api(t, says(""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := c.DeleteToken(ctx, "secret")
	if want := "delete a token: context canceled"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestKeyOfTheAPIIsSentAndNeverShown(t *testing.T) {
	const secret = "bk_secret"
	shown := make(chan string, 3)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization")
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	c, err := New(Options{API: server.URL, Key: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var said []string
	for _, err := range []error{
		c.DeleteToken(t.Context(), "T"),
		c.Broadcast(t.Context(), "a", 1, BroadcastOptions{}),
		c.EndSession(t.Context(), "s_1"),
	} {
		said = append(said, <-shown, strings.ReplaceAll(err.Error(), server.URL, "URL"))
	}
	want := []string{
		"Bearer bk_secret", "delete a token: the server answered 302 Found: it redirects to URL, and the client does not follow redirects: use that URL if it is correct",
		"Bearer bk_secret", `broadcast on "a": the server answered 302 Found: it redirects to URL, and the client does not follow redirects: use that URL if it is correct`,
		"Bearer bk_secret", "end session \"s_1\": the server answered 302 Found: it redirects to URL, and the client does not follow redirects: use that URL if it is correct",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, c) + fmt.Sprintf(format, *c); strings.Contains(text, secret) {
			t.Errorf("%s shows the key: %s", format, text)
		}
	}
	if _, err := New(Options{Key: secret + "\n"}); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a key with a line's end: %v", err)
	}
}

func TestNewChecksTheURL(t *testing.T) {
	for url, want := range map[string]string{
		"":                     "",
		"https://h/a":          "",
		"ws://h":               `API URL "ws://h": give it as http://HOST:PORT or https://HOST:PORT`,
		"localhost:8001":       `API URL "localhost:8001": give it as http://HOST:PORT or https://HOST:PORT`,
		"http://u:secret@h?x=": `API URL "http://xxxxx@h?xxxxx": give it as http://HOST:PORT or https://HOST:PORT`,
		"http://[":             `API URL: missing ']' in host`,
	} {
		got := ""
		if _, err := New(Options{API: url}); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("New of %q says %q, want %q", url, got, want)
		}
	}
}
