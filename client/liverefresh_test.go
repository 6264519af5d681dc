package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/client"
	"github.com/boreas-pubsub/boreas/internal/config"
	"github.com/boreas-pubsub/boreas/internal/server"
)

// TestConnGetsAnotherTokenFromAServer revokes the tokens of a session. With a grace, the session
// continues with another token. Without a grace, the client reconnects with another token. In both
// cases it misses no message.
//
// clauses 3.4, 3.8, 3.9
func TestConnGetsAnotherTokenFromAServer(t *testing.T) {
	o, err := config.Load(config.Input{Flags: map[string]string{"api_port": "0", "ws_port": "0", "drain_time": "0"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Start(context.Background(), o, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	post := func(path, body string, answer any) error {
		resp, err := http.Post("http://"+s.APIAddr().String()+path, "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode > 299 {
			return fmt.Errorf("%s: %s %s %w", path, resp.Status, text, err)
		}
		return json.Unmarshal(text, answer)
	}
	last := "" // the last token from TokenFunc, which is called before each awaited state
	states := make(chan client.State, 100)
	c, err := client.Connect(client.ConnectOptions{
		URL:     "ws://" + s.WSAddr().String(),
		OnState: func(state client.State) { states <- state },
		TokenFunc: func(context.Context) (string, error) {
			var made struct{ Token string }
			err := post("/v2/tokens", `{"user":"u1","rules":[{"channels":["chat"],"allow":["join"]}]}`, &made)
			last = made.Token
			return made.Token, err
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
	api, err := client.New(client.Options{API: "http://" + s.APIAddr().String()})
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
		if err := post("/v2/revocations", fmt.Sprintf(`{"token":%q,"grace":%d}`, last, grace), &answer); err != nil || answer.Sessions != 1 {
			t.Fatalf("revoked for %d sessions: %v", answer.Sessions, err)
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
