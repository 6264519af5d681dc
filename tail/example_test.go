package tail_test

import (
	"context"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// The hub adds events, and an operator watches.
func Example() {
	log := tail.New()
	hub := boreas.New(boreas.Options{Tail: log})
	defer hub.Shutdown(context.Background(), 0)
	w, err := log.Watch(tail.Filter{Kinds: []tail.Kind{tail.Message}})
	if err != nil {
		panic(err)
	}
	defer w.Close()
	if _, err := hub.Publish(context.Background(), "news", engine.Message{Data: []byte(`"hello"`)}); err != nil {
		panic(err)
	}
	<-w.Ready()
	events, _, _ := w.Take()
	fmt.Println(events[0].Channel, string(events[0].Data))
	// Output: news "hello"
}
