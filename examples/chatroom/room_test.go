package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/examples/stage/stagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAVisitorsMessageReachesAll(t *testing.T) {
	chat := stagetest.Start(t, run)
	ada, ben := chat.Visit(`{"name": " Ada "}`), chat.Visit(`{"name": "Ben"}`)
	first := ada.Follow(channel, client.SubscribeOptions{})
	chat.Want("201 ", "POST", "messages", `{"text": "<b>\nhi", "key": "k1", "name": "Eve", "time": "never"}`, ada.Token)
	got, err := stagetest.Read[message](first)
	if err != nil {
		t.Fatal(err)
	}
	if got.Time == "never" {
		t.Error("the time is the visitor's, not the backend's")
	}
	if diff := cmp.Diff(message{Name: "Ada", Text: "<b> hi", Time: got.Time}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A later subscriber also gets the message.
	later, err := stagetest.Read[message](ben.Follow(channel, client.SubscribeOptions{Last: 50}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, later); diff != "" {
		t.Errorf("the second visitor got another message (-first +second):\n%s", diff)
	}
}

// A repeated request has another time, so without the key it would be another message.
func TestAMessageSentTwiceIsPublishedOnce(t *testing.T) {
	chat := stagetest.Start(t, run)
	ada := chat.Visit(`{"name": "Ada"}`)
	next := ada.Follow(channel, client.SubscribeOptions{})
	for _, body := range []string{
		`{"text": "one", "key": "k1"}`, `{"text": "one", "key": "k1"}`,
		`{"text": "one, as if its time were another", "key": "k1"}`, `{"text": "two", "key": "k2"}`,
	} {
		chat.Want("201 ", "POST", "messages", body, ada.Token)
	}
	for _, want := range []string{"one", "two"} {
		got, err := stagetest.Read[message](next)
		if err != nil || got.Text != want {
			t.Errorf("%v, got %q, want %q", err, got.Text, want)
		}
	}
}

func TestVisitorsSeeWhoIsThere(t *testing.T) {
	chat := stagetest.Start(t, run)
	follow := func(name string) func() client.Event {
		return chat.Visit(`{"name": "`+name+`"}`).Follow(channel, client.SubscribeOptions{Presence: true, Info: map[string]string{"name": name}})
	}
	ada := follow("Ada")
	if joined := ada().(*client.Joined); joined.Presence.Users != 1 {
		t.Errorf("Ada sees %+v, want herself", joined.Presence)
	}
	ben := follow("Ben")
	if joined := ben().(*client.Joined); joined.Presence.Users != 2 {
		t.Errorf("Ben sees %+v, want both", joined.Presence)
	}
	if change := ada().(*client.PresenceChange); change.Event != "join" || string(change.Info) != `{"name":"Ben"}` {
		t.Errorf("Ada sees %+v, want Ben coming", change)
	}
}

func TestRoomRefusesInvalidRequests(t *testing.T) {
	chat := stagetest.Start(t, run)
	ada := chat.Visit(`{"name": "Ada"}`)
	next := ada.Follow(channel, client.SubscribeOptions{})
	for body, want := range map[string]string{
		`{"text": " ", "key": ""}`:                                 `400 {"error":"the message is empty\nthe key is empty"}`,
		`{"text": "` + strings.Repeat("x", 501) + `", "key": "k"}`: `400 {"error":"the message has 501 characters; 500 are allowed"}`,
		`hello`: `400 {"error":"that is not the JSON that was expected"}`,
	} {
		chat.Want(want, "POST", "messages", body, ada.Token)
	}
	chat.Want(`400 {"error":"the name is empty"}`, "POST", "session", `{"name": ""}`)
	const stranger = `401 {"error":"the chat does not know you (any more): enter again"}`
	chat.Want(stranger, "POST", "messages", `{"text": "hi", "key": "k"}`)
	chat.Want(stranger, "POST", "messages", `{"text": "hi", "key": "k"}`, ada.Token+"x")
	chat.Want("201 ", "POST", "messages", `{"text": "the first", "key": "k"}`, ada.Token)
	if got, err := stagetest.Read[message](next); err != nil || got.Text != "the first" {
		t.Errorf("%v, got %+v: a refused message was published", err, got)
	}
}

func TestThePageIsServed(t *testing.T) {
	chat := stagetest.Start(t, run)
	for path, holds := range map[string]string{
		"": "<title>Chatroom</title>", "chat.js": `from "/boreas.js"`, "style.css": "color-scheme",
		"page.js": "export async function call", "boreas.js": "export function connect",
	} {
		chat.WantText("200 ", holds, "GET", path, "")
	}
}

func TestRoomReportsThatItsServerIsUnreachable(t *testing.T) {
	chat := stagetest.Start(t, run, "--api=http://127.0.0.1:1", "--ws=ws://127.0.0.1:1/")
	chat.WantText(`502 {"error":"the chat cannot reach its Boreas: `, "", "POST", "session", `{"name": "Ada"}`)
}
