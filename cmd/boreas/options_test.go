package main

import (
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

func TestHelpColumnsDoNotTouch(t *testing.T) {
	for _, o := range config.Options() {
		name := strings.TrimSpace("--" + o.Flag() + " " + o.Placeholder())
		if line := optionHelp(o); !strings.HasPrefix(line, name+"  ") {
			t.Errorf("%q", line)
		}
	}
}

func TestDurationsAreThoseOfOptions(t *testing.T) {
	for text, want := range map[string]time.Duration{"1d": 24 * time.Hour, "90": 90 * time.Second, "1m30s": 90 * time.Second, "0.5": 500 * time.Millisecond} {
		var d duration
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%s: got %v, %v", text, time.Duration(d), err)
		}
	}
	for _, text := range []string{"", "d", "1w", "soon", "1e400"} {
		if err := new(duration).Set(text); err == nil || err.Error() != errDuration.Error() {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestAdviceFitsTheVerb(t *testing.T) {
	const (
		token   = "Make a token whose rules allow"
		publish = "A client can publish if"
		key     = "Make a key that has"
	)
	for _, c := range []struct {
		r    client.Refusal
		want string
	}{
		{client.Refusal{Code: client.CodeNotPermitted, Verb: "join", Token: "tok_1"}, token},
		{client.Refusal{Code: client.CodeNotPermitted, Verb: "presence", Token: "jwt_1"}, token},
		{client.Refusal{Code: client.CodeNotPermitted, Verb: "publish", Token: "tok_1"}, publish},
		{client.Refusal{Code: client.CodeNotPermitted, Verb: "POST /v2/channels/{channel}/messages", Token: "key_1"}, key},
		{client.Refusal{Code: client.CodeInvalidKey, Verb: "GET /v2/stats"}, whatToDo(client.CodeInvalidKey)},
	} {
		if got := advice(&c.r); !strings.HasPrefix(got, c.want) || got == "" {
			t.Errorf("%+v: %q", c.r, got)
		}
	}
}
