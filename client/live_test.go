package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
)

// live starts a server without access control and returns clients of it.
func live(t *testing.T) (*client.Conn, *client.Client, context.Context) {
	t.Helper()
	s := site.New(t, site.Options{NoKey: true})
	api, err := client.New(client.Options{API: "http://" + s.API})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	c, err := client.Connect(client.ConnectOptions{URL: "ws://" + s.WS, TokenFunc: api.NewToken})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, api, s.Ctx
}

// Both clients use the same server. A message that one of them publishes reaches the other, and
// their replies agree.
func TestBothClientsWithAServer(t *testing.T) {
	c, api, ctx := live(t)
	chat, err := c.Subscribe(ctx, "chat", client.SubscribeOptions{Presence: true, Info: "me"})
	if err != nil {
		t.Fatal(err)
	}
	own, err := c.Publish(ctx, "chat", "by the Conn", client.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(ctx, "chat", "not for me", client.PublishOptions{NoEcho: true}); err != nil {
		t.Fatal(err)
	}
	first, err := api.Publish(ctx, "chat", "by the Client", client.PublishOptions{Key: "k"})
	if err != nil || first.Subscribers != 1 {
		t.Errorf("published: %+v, %v", first, err)
	}
	again, err := api.Publish(ctx, "chat", "by the Client", client.PublishOptions{Key: "k"})
	if err != nil || !again.Duplicate || again.Position != first.Position {
		t.Errorf("published again: %+v, %v; want %s", again, err, first.Position)
	}
	results, err := api.PublishMany(ctx, []client.Outgoing{{Channel: "chat", Message: 1}, {Channel: "", Message: 2}})
	var refusal *client.Error
	if err != nil || results[0].Err != nil || !errors.As(results[1].Err, &refusal) || refusal.Code != client.CodeChannelName {
		t.Errorf("published many: %+v, %v", results, err)
	}

	var got []string
	for event, err := range chat.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		switch e := event.(type) {
		case *client.Joined:
			got = append(got, fmt.Sprintf("joined, %d there, %s", e.Presence.Users, e.Presence.Members[0].Info))
		case *client.Message:
			got = append(got, string(e.Data))
		}
		if m, ok := event.(*client.Message); ok && m.Position == results[0].Position {
			break
		}
	}
	if diff := cmp.Diff([]string{`joined, 1 there, "me"`, `"by the Conn"`, `"by the Client"`, "1"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	overWS, err := c.History(ctx, "chat", client.HistoryOptions{Since: own.Position, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	overHTTP, err := api.History(ctx, "chat", client.HistoryOptions{Since: own.Position, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(overWS, overHTTP); diff != "" || len(overWS.Messages) != 2 || !overWS.More {
		t.Errorf("history %+v (-WebSocket +HTTP):\n%s", overWS, diff)
	}
	there, err := c.Presence(ctx, "chat")
	if err != nil {
		t.Fatal(err)
	}
	thereToo, err := api.Presence(ctx, "chat")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(there, thereToo); diff != "" || there.Users != 1 {
		t.Errorf("presence %+v (-WebSocket +HTTP):\n%s", there, diff)
	}
}

func TestAnEndedSessionDoesNotComeBack(t *testing.T) {
	c, api, ctx := live(t)
	chat, err := c.Subscribe(ctx, "chat", client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var channels []string
	var places []client.Place
	for info, err := range api.Channels(ctx, "ch") {
		if err != nil {
			t.Fatal(err)
		}
		channels = append(channels, fmt.Sprintf("%s %d", info.Channel, info.Subscribers))
		places = append(places, client.Place{Channel: info.Channel, Position: info.Position})
	}
	if diff := cmp.Diff([]string{"chat 1"}, channels); diff != "" {
		t.Errorf("channels (-want +got):\n%s", diff)
	}
	sessions := 0
	for info, err := range api.Sessions(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		one, err := api.Session(ctx, info.Session)
		if err != nil {
			t.Fatal(err)
		}
		info.Channels, info.Places = []string{"chat"}, places // a list does not contain them
		if diff := cmp.Diff(info, one); diff != "" {
			t.Errorf("session (-list +alone):\n%s", diff)
		}
		if err := api.EndSession(ctx, info.Session); err != nil {
			t.Fatal(err)
		}
		sessions++
	}
	if sessions != 1 {
		t.Errorf("%d sessions, want 1", sessions)
	}
	var last error
	for _, err := range chat.Events(ctx) {
		last = err
	}
	var refusal *client.Error
	if !errors.As(last, &refusal) || refusal.Code != client.CodeTerminated || !errors.Is(c.Err(), last) {
		t.Errorf("the loop ended with %v, the Conn with %v", last, c.Err())
	}
	if err := api.EndSession(ctx, "s_1"); !errors.As(err, &refusal) || refusal.Code != client.CodeNoSession {
		t.Errorf("ending no session: %v", err)
	}
}
