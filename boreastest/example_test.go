package boreastest_test

import (
	"context"
	"fmt"
	"log"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A session on a Conn, which keeps in memory all bytes that the hub writes.
func ExampleOpen() {
	ctx := context.Background()
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(ctx, 0) //nolint:errcheck // it waits for the session below

	session, conn, err := boreastest.Open(hub)
	if err != nil {
		log.Fatal(err)
	}
	if err := session.Authenticate(boreastest.Grant("token", "ann")); err != nil {
		log.Fatal(err)
	}
	if r := session.Join(ctx, []boreas.Join{{Channel: "news"}}, nil)[0]; r.Err != nil {
		log.Fatal(r.Err)
	}
	arrived := conn.Await(`"hello"`)
	if _, err := hub.Publish(ctx, "news", engine.Message{Data: []byte(`"hello"`)}); err != nil {
		log.Fatal(err)
	}
	<-arrived
	fmt.Println(conn.Lines())
	// Output: [news 1 "hello"]
}
