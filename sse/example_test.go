package sse_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/sse"
)

// The handler streams the channels that the query names. The stream begins with the result of the
// join.
func Example() {
	ctx := context.Background()
	hub := boreas.New(boreas.Options{})
	server := httptest.NewServer(sse.Handler(hub, sse.Options{NoAuth: true}))
	defer server.Close()
	defer hub.Shutdown(ctx, 0) //nolint:errcheck // it waits for the session below

	answer, err := http.Get(server.URL + "?channel=news")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == "event: join":
			if _, err := hub.Publish(ctx, "news", engine.Message{Data: []byte(`{"hello":1}`)}); err != nil {
				log.Fatal(err)
			}
		case strings.Contains(line, "hello"):
			fmt.Println(strings.Contains(line, `"channel":"news"`), strings.Contains(line, `{"hello":1}`))
			return
		}
	}
	// Output: true true
}
