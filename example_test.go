package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A hub keeps what a program publishes, also while nobody is connected. Serve its subscribers with
// the packages ws and sse.
func Example() {
	ctx := context.Background()
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(ctx, 0) //nolint:errcheck // there are no sessions to wait for

	for _, text := range []string{`"first"`, `"second"`} {
		if _, err := hub.Publish(ctx, "news", engine.Message{Data: []byte(text)}); err != nil {
			log.Fatal(err)
		}
	}
	history, err := hub.History(ctx, "news", engine.Position{}, engine.Limit{Messages: 100})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range history.Publications {
		fmt.Println(string(p.Data))
	}
	// Output:
	// "first"
	// "second"
}

// The rule of a channel is that of the first pattern that matches its name.
func ExampleRules() {
	chat, err := access.ParsePattern("chat.**")
	if err != nil {
		log.Fatal(err)
	}
	rules := (*boreas.Rules)(nil).Add(chat, boreas.Rule{
		ClientPublish: true,
		Presence:      boreas.PresenceFull,
		Retention:     engine.Retention{Messages: 50},
	})
	hub := boreas.New(boreas.Options{Rules: rules})
	defer hub.Shutdown(context.Background(), 0) //nolint:errcheck // there are no sessions to wait for

	ann := &access.Grant{Identity: "ann", User: "ann"}
	fmt.Println(hub.MayPublish(ann, "chat.lobby"))
	fmt.Println(errors.Is(hub.MayPublish(ann, "news"), access.ErrNotPermitted))
	// Output:
	// <nil>
	// true
}

// A message with an idempotency key is published once, so a program may publish it again when it
// does not know whether the first attempt succeeded.
func ExampleHub_Publish() {
	ctx := context.Background()
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(ctx, 0) //nolint:errcheck // there are no sessions to wait for

	for range 2 {
		ack, err := hub.Publish(ctx, "orders", engine.Message{Data: []byte(`{"order":17}`), Key: "order-17"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ack.Duplicate)
	}
	// Output:
	// false
	// true
}

// A transport opens a session for each connection. Here the connection is in memory: see package
// ws for a real one.
func ExampleSession() {
	ctx := context.Background()
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(ctx, 0) //nolint:errcheck // the session has ended

	session, conn, err := boreastest.Open(hub)
	if err != nil {
		log.Fatal(err)
	}
	if err := session.Authenticate(boreastest.Grant("ann", "ann")); err != nil {
		log.Fatal(err)
	}
	for _, joined := range session.Join(ctx, []boreas.Join{{Channel: "news"}}, nil) {
		if joined.Err != nil {
			log.Fatal(joined.Err)
		}
	}
	delivered := conn.Await("news 1")
	if _, err := hub.Publish(ctx, "news", engine.Message{Data: []byte(`"hello"`)}); err != nil {
		log.Fatal(err)
	}
	<-delivered
	fmt.Println(conn.Lines())
	session.End(boreas.ErrTerminated)
	<-conn.Finished()
	fmt.Println(conn.Reason())
	// Output:
	// [news 1 "hello"]
	// ended by the operator
}
