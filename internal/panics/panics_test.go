package panics

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// catch returns the error from Caught for the panic of f, and whether the process ended.
func catch(t *testing.T, f func()) (err *Error, crashed bool) {
	t.Helper()
	before := crash
	defer func() { crash = before }()
	crash = func(*Error) { crashed = true }
	defer func() { err = Caught(recover()) }()
	f()
	return nil, false
}

func TestCaught(t *testing.T) {
	cause := errors.New("the cause")
	hub := boreas.New(boreas.Options{Valid: func(*access.Grant) error { panic(cause) }})
	defer hub.Shutdown(context.Background(), 0)
	session, _, err := boreastest.Open(hub)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f       func()
		crashes bool
	}{
		"outside of the hub":       {func() { panic(cause) }, false},
		"in a function of the hub": {func() { session.Authenticate(boreastest.Grant("ann", "ann")) }, true},
	} {
		err, crashed := catch(t, c.f)
		if err == nil || err.Value != cause || !strings.Contains(string(err.Stack), "panics_test.go") || crashed != c.crashes {
			t.Errorf("%s: ends the process: %v; %v\n%s", name, crashed, err.Value, err.Stack)
		}
	}
}
