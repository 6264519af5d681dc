package sse

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
)

// A request that panics releases the place of its session.
func TestARequestThatPanics(t *testing.T) {
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(context.Background(), 0)
	h := Handler(hub, Options{Check: func(access.Credentials) (*access.Grant, error) { panic("the check is broken") }})
	func() {
		defer func() {
			if v := recover(); v != "the check is broken" { // which the server handles
				t.Errorf("got %v", v)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/events?channel=a&access_token=x", nil))
	}()
	if n := hub.Sessions(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}
