package api_test

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

func TestConfig(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{Config: func() []api.ConfigOption {
		return []api.ConfigOption{{Name: "api_port", Value: "8001", From: "default"}, {Name: "auth_url", Value: "set", From: "file", Secret: true}}
	}})
	want := told(200, `{"options":[{"name":"api_port","value":"8001","from":"default"},{"name":"auth_url","value":"set","from":"file","secret":true}]}`)
	if diff := gocmp.Diff(want, r.ask("GET", "/v2/config", "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r = newRig(t, boreas.Options{}, api.Options{})
	if diff := gocmp.Diff(told(200, `{"options":[]}`), r.ask("GET", "/v2/config", "")); diff != "" {
		t.Errorf("without options (-want +got):\n%s", diff)
	}
}

func TestCaller(t *testing.T) {
	r := newCluster(t, api.Options{Version: "v1"}, "n1")[0]
	caller := func(want string, headers ...string) {
		t.Helper()
		if diff := gocmp.Diff(told(200, want), r.ask("GET", "/v2/caller", "", headers...)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	caller(`{"key":null,"verbs":["admin"],"channels":null,"open":true,"node":"n1","version":"v1"}`)

	text, key := r.makeKey("a", auth.KeyView|auth.KeyPublish, "news", "chat.*")
	caller(`{"key":"`+key.ID+`","name":"a","verbs":["publish","view"],"channels":["news","chat.*"],"node":"n1","version":"v1"}`, "Authorization", "Bearer "+text)

	ends := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	text, key, err := r.authority.CreateKey(auth.Key{Name: "b", Verbs: auth.KeyAdmin, Expires: ends})
	if err != nil {
		t.Fatal(err)
	}
	caller(`{"key":"`+key.ID+`","name":"b","verbs":["admin"],"channels":null,"expires":"`+ends.Format(time.RFC3339)+`","node":"n1","version":"v1"}`, "Authorization", "Bearer "+text)
}

// A key that may only view does not see the info of users, which is a payload.
func TestViewSeesNoPayloads(t *testing.T) {
	var rules *boreas.Rules
	r := newRig(t, boreas.Options{Rules: rules.Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull})}, api.Options{})
	grant := boreastest.Grant("ann", "ann")
	grant.Info = `{"name":"Ann"}`
	s := r.enter(t, grant, "news")
	for _, c := range []struct {
		verbs auth.KeyVerb
		info  string
	}{
		{auth.KeyView, ""},
		{auth.KeyView | auth.KeyStats, ""},
		{auth.KeyView | auth.KeySessions, `,"info":{"name":"Ann"}`},
		{auth.KeySessions, `,"info":{"name":"Ann"}`},
		{auth.KeyAdmin, `,"info":{"name":"Ann"}`},
	} {
		text, key := r.makeKey("k", c.verbs)
		want := told(200, `{"channel":"news","users":1,"sessions":1,"members":[{"user":"ann","sessions":["`+s.ID()+`"]`+c.info+`,"verified":true}]}`)
		if diff := gocmp.Diff(want, r.ask("GET", "/v2/channels/news/presence", "", "Authorization", "Bearer "+text)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.verbs, diff)
		}
		if _, err := r.authority.Revoke(auth.Revocation{Key: key.ID}); err != nil {
			t.Fatal(err)
		}
	}
	token, _ := r.makeToken(auth.Token{User: "bob"})
	want := told(200, `{"channel":"news","users":1,"sessions":1,"members":[{"user":"ann","sessions":["`+s.ID()+`"],"info":{"name":"Ann"},"verified":true}]}`)
	if diff := gocmp.Diff(want, r.ask("GET", "/v2/channels/news/presence", "", "Authorization", "Bearer "+token)); diff != "" {
		t.Errorf("a subscriber's token (-want +got):\n%s", diff)
	}
}
