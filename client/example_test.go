package client_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/client"
)

func ExampleConn() {
	ctx := context.Background()
	c, err := client.Connect(client.ConnectOptions{Token: "a token"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	chat, err := c.Subscribe(ctx, "chat", client.SubscribeOptions{Last: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range chat.Events(ctx) {
		var gap *client.Gap
		if errors.As(err, &gap) {
			fmt.Println("fetch the state anew:", gap)
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		switch e := event.(type) {
		case *client.Message:
			fmt.Println(string(e.Data), "and on from", e.Position)
		case *client.PresenceChange:
			fmt.Println(e.User, e.Event)
		}
	}
}

func ExampleClient_Publish() {
	c, err := client.New(client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	ack, err := c.Publish(context.Background(), "orders", map[string]int{"order": 17}, client.PublishOptions{Key: "order-17"})
	var refusal *client.Error
	if errors.As(err, &refusal) && refusal.Code == client.CodeKeyReused {
		fmt.Println("another message had this key")
		return
	}
	fmt.Println(ack.Position, ack.Subscribers, err)
}
