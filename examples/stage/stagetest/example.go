// Package stagetest runs an example for its tests and visits it like the example's page.
package stagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/client"
)

// An Example is a running example. It stops at the end of its test.
type Example struct {
	t   *testing.T
	url string // of the page
}

// Start runs an example on a free port.
func Start(t *testing.T, run func(ctx context.Context, args []string, out io.Writer) error, args ...string) *Example {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told, teller := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, append([]string{"--listen=127.0.0.1:0"}, args...), teller) }()
	var first [4]string // "The chat is at URL"
	e := &Example{t: t}
	if _, err := fmt.Fscan(told, &first[0], &first[1], &first[2], &first[3], &e.url); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, told) //nolint:errcheck // ends with the pipe
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		teller.Close()
	})
	return e
}

// Want makes a request to the backend, with the token if one is given. It compares the status and
// the body of the response.
func (e *Example) Want(want, method, path, body string, token ...string) {
	e.t.Helper()
	if diff := cmp.Diff(want, e.ask(method, path, body, token...)); diff != "" {
		e.t.Errorf("%s %s %.200s (-want +got):\n%s", method, path, body, diff)
	}
}

// WantText makes a request and checks that the response begins with one text and contains another.
func (e *Example) WantText(begin, within, method, path, body string) {
	e.t.Helper()
	if got := e.ask(method, path, body); !strings.HasPrefix(got, begin) || !strings.Contains(got, within) {
		e.t.Errorf("%s %s: %.200q does not begin with %q and hold %q", method, path, got, begin, within)
	}
}

func (e *Example) ask(method, path, body string, token ...string) string {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.url+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if len(token) > 0 {
		req.Header.Set("Authorization", "Bearer "+token[0])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, bytes.TrimSpace(text))
}

// A Visitor was let in by the backend and is connected to the Boreas server.
type Visitor struct {
	Token string

	t    *testing.T
	conn *client.Conn
}

// Visit posts to the backend's /session and connects with the token and the URL of the response.
func (e *Example) Visit(body string) *Visitor {
	e.t.Helper()
	var session struct{ Server, Token string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(e.ask("POST", "session", body), "200 ")), &session); err != nil {
		e.t.Fatal(err)
	}
	c, err := client.Connect(client.ConnectOptions{URL: session.Server, Token: session.Token})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(c.Close)
	return &Visitor{Token: session.Token, t: e.t, conn: c}
}

// Follow subscribes to a channel and waits for the join. next returns one event after the other,
// from the first.
func (v *Visitor) Follow(channel string, o client.SubscribeOptions) (next func() client.Event) {
	v.t.Helper()
	s, err := v.conn.Subscribe(v.t.Context(), channel, o)
	if err != nil {
		v.t.Fatal(err)
	}
	events := make(chan client.Event)
	ctx, cancel := context.WithCancel(v.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event, err := range s.Events(ctx) {
			if err != nil {
				return
			}
			select {
			case events <- event:
			case <-ctx.Done():
				return
			}
		}
	}()
	v.t.Cleanup(func() { cancel(); <-done })
	return func() client.Event {
		v.t.Helper()
		select {
		case event := <-events:
			return event
		case <-done:
			v.t.Fatalf("%s: the subscription has ended", channel)
			return nil
		}
	}
}

// Read decodes the next message. It skips other events.
func Read[M any](next func() client.Event) (m M, err error) {
	for {
		if message, ok := next().(*client.Message); ok {
			return m, json.Unmarshal(message.Data, &m)
		}
	}
}
