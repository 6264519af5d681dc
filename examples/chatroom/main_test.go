package main

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
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the example as its users do, with a Boreas of its own, and returns
// the URL of its page.
func start(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told, teller := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, append([]string{"--listen=127.0.0.1:0"}, args...), teller) }()
	var url string
	if _, err := fmt.Fscanf(told, "The chat is at %s", &url); err != nil {
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
	return url
}

// ask makes a request to the backend and returns the status and the body.
func ask(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, bytes.TrimSpace(text))
}

// visit gets a token and listens to channels as the page does. It returns once
// the server has taken the joins; next returns one message at a time.
func visit(t *testing.T, url string, channels ...string) (next func() client.Message) {
	t.Helper()
	var session struct{ WS, Token string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(ask(t, "POST", url+"session", ""), "200 ")), &session); err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{}, 1)
	s, err := client.NewSubscriber(client.SubscriberOptions{
		URL: session.WS, Token: session.Token, Channels: channels,
		OnState: func(s client.State) {
			if s.Kind == client.Connected {
				connected <- struct{}{}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	messages, done := make(chan client.Message), make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range s.Messages(ctx) {
			if err != nil {
				return
			}
			select {
			case messages <- m:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-connected
	return func() client.Message { return <-messages }
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
