package api_test

import (
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
)

// TestSubscriberCountNeedsPresence: permission to publish does not reveal subscribers. A subscriber's
// token must allow presence on the channel. A key may, because it belongs to a backend.
func TestSubscriberCountNeedsPresence(t *testing.T) {
	r := newRig(t, boreas.Options{Rules: chatRules()}, api.Options{})
	r.subscribe(t, "somebody", "chat.1")
	key, _ := r.makeKey("backend", auth.KeyPublish)
	token := func(rules string) string {
		p, err := auth.ParseRules([]byte(rules))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := r.makeToken(auth.Token{User: "ann", Rules: p})
		return text
	}
	for what, c := range map[string]struct {
		credential string
		told       bool
	}{
		"key":                        {key, true},
		"token for everything":       {token("null"), true},
		"publish alone":              {token(`[{"channels":["chat.*"],"allow":["publish"]}]`), false},
		"publish and join":           {token(`[{"channels":["chat.*"],"allow":["publish","join","history"]}]`), false},
		"presence":                   {token(`[{"channels":["chat.*"],"allow":["publish","presence"]}]`), true},
		"presence on other channels": {token(`[{"channels":["chat.*"],"allow":["publish"]},{"channels":["chat.2"],"allow":["presence"]}]`), false},
		"presence denied":            {token(`[{"channels":["**"],"allow":["publish","presence"]},{"channels":["chat.1"],"deny":["presence"]}]`), false},
	} {
		do := r.withKey(c.credential)
		for _, request := range []struct{ path, body string }{
			{"/v2/channels/chat.1/messages", "1"},
			{"/v2/channels/chat.1/messages?dry_run=true", "1"},
			{"/v2/messages", `{"messages":[{"channel":"chat.1","message":1,"key":"k"},{"channel":"chat.1","message":1,"key":"k"}]}`},
			{"/v2/messages?dry_run=true", `{"messages":[{"channel":"chat.1","message":1}]}`},
		} {
			got := do("POST", request.path, request.body)
			if !strings.HasPrefix(got, "20") || strings.Contains(got, `"error"`) || strings.Contains(got, `"subscribers":1`) != c.told || strings.Contains(got, "subscribers") != c.told {
				t.Errorf("%s, %s: %s", what, request.path, got)
			}
		}
	}
}
