package api_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// The handler serves the HTTP API for backends. Only this machine can reach the example's server, so
// it needs no key.
func Example() {
	authority, err := auth.Open(auth.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer authority.Close()
	hub := boreas.New(boreas.Options{Valid: authority.Valid})
	defer hub.Shutdown(context.Background(), 0) //nolint:errcheck // there are no sessions to wait for
	server := httptest.NewServer(api.Handler(hub, api.Options{Authority: authority, Loopback: true}))
	defer server.Close()

	answer, err := http.Post(server.URL+"/v2/channels/news/messages", "application/json", strings.NewReader(`{"hello":1}`))
	if err != nil {
		log.Fatal(err)
	}
	answer.Body.Close()
	fmt.Println(answer.Status)

	answer, err = http.Get(server.URL + "/v2/channels/news/messages?limit=1")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	fmt.Println(strings.Contains(string(text), `"message":{"hello":1}`), err)
	// Output:
	// 201 Created
	// true <nil>
}
