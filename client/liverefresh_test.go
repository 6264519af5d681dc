package client_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
)

// TestConnGetsAnotherTokenFromAServer revokes the tokens of a session. With a grace, the session
// continues with another token. Without a grace, the client reconnects with another token. In both
// cases it misses no message.
//
// clauses 3.4, 3.8, 3.9
func TestConnGetsAnotherTokenFromAServer(t *testing.T) {
	s := site.New(t, site.Options{NoKey: true})
	ctx := s.Ctx
	last := "" // the last token from TokenFunc, which is called before each awaited state
	states := make(chan client.State, 100)
	c, err := client.Connect(client.ConnectOptions{
		URL:     "ws://" + s.WS,
		OnState: func(state client.State) { states <- state },
		TokenFunc: func(context.Context) (string, error) {
			last = s.NewToken(site.Object{"user": "u1", "rules": []site.Object{{"channels": []string{"chat"}, "allow": []string{"join"}}}}).Token
			return last, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	until := func(kind client.StateKind) {
		t.Helper()
		for {
			select {
			case state := <-states:
				if state.Kind == kind {
					return
				}
			case <-ctx.Done():
				t.Fatalf("no state %d came", kind)
			}
		}
	}
	api, err := client.New(client.Options{API: "http://" + s.API})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	publish := func(message string) {
		t.Helper()
		if _, err := api.Publish(ctx, "chat", message, client.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	revoke := func(grace int) {
		t.Helper()
		var answer struct{ Sessions int }
		if s.Must("POST", "/v2/revocations", site.Object{"token": last, "grace": grace}, &answer); answer.Sessions != 1 {
			t.Fatalf("revoked for %d sessions", answer.Sessions)
		}
	}

	chat, err := c.Subscribe(ctx, "chat", client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	read := func(last string) {
		t.Helper()
		for event, err := range chat.Events(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			switch e := event.(type) {
			case *client.Joined:
				got = append(got, fmt.Sprintf("joined, recovered %t", e.Recovered))
			case *client.Message:
				got = append(got, string(e.Data))
			}
			if got[len(got)-1] == last {
				return
			}
		}
	}

	until(client.Connected)
	publish("one")
	revoke(60)
	until(client.Refreshed)
	publish("two")
	read(`"two"`)
	revoke(0)
	publish("three")
	until(client.Connected)
	publish("four")
	read(`"four"`)
	want := []string{"joined, recovered false", `"one"`, `"two"`, "joined, recovered true", `"three"`, `"four"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
