package ws_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/ws"
)

// The handler serves WebSockets on its path. Check decides who may connect.
func Example() {
	ctx := context.Background()
	hub := boreas.New(boreas.Options{})
	handler := ws.Handler(hub, ws.Options{
		Check: func(c access.Credentials) (*access.Grant, error) {
			if c.Token != "secret" {
				return nil, fault.InvalidToken
			}
			return &access.Grant{Identity: "ann", User: "ann"}, nil
		},
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	defer hub.Shutdown(ctx, 0) //nolint:errcheck // it waits for the session below

	c, err := client.Connect(client.ConnectOptions{URL: "ws" + strings.TrimPrefix(server.URL, "http"), Token: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	news, err := c.Subscribe(ctx, "news", client.SubscribeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := hub.Publish(ctx, "news", engine.Message{Data: []byte(`{"hello":1}`)}); err != nil {
		log.Fatal(err)
	}
	for event, err := range news.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if m, ok := event.(*client.Message); ok {
			fmt.Println(m.Channel, string(m.Data))
			break
		}
	}
	// Output: news {"hello":1}
}
