package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatOneVisitorWritesAllGet(t *testing.T) {
	url := start(t)
	first, second := visit(t, url, channel), visit(t, url, channel)
	wantText(t, "nothing said yet", ask(t, "GET", url+"messages", ""), "200 []")
	wantText(t, "the answer", ask(t, "POST", url+"messages", `{"name": " Ada ", "text": "<b>\nhi", "number": 7, "time": "never"}`), "201 ")
	m := first()
	if diff := cmp.Diff(m, second()); diff != "" {
		t.Errorf("the second visitor got another message (-first +second):\n%s", diff)
	}
	var got message
	if err := json.Unmarshal(m.Data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Number <= 7 || got.Time == "never" {
		t.Errorf("number %d and time %s are the visitor's, not the backend's", got.Number, got.Time)
	}
	want := message{Number: got.Number, Name: "Ada", Text: "<b> hi", Time: got.Time}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantText(t, "the kept messages", ask(t, "GET", url+"messages", ""), "200 ["+string(m.Data)+"]")
}

func TestTheLastMessagesAreKept(t *testing.T) {
	url := start(t)
	for i := range kept + 5 {
		wantText(t, "the answer", ask(t, "POST", url+"messages", fmt.Sprintf(`{"name": "Ada", "text": "%d"}`, i)), "201 ")
	}
	var got []message
	if err := json.Unmarshal([]byte(strings.TrimPrefix(ask(t, "GET", url+"messages", ""), "200 ")), &got); err != nil {
		t.Fatal(err)
	}
	for i, m := range got {
		if want := fmt.Sprint(i + 5); m.Text != want || (i > 0 && m.Number != got[i-1].Number+1) {
			t.Errorf("message %d is %+v, want text %s and the next number", i, m, want)
		}
	}
	if len(got) != kept {
		t.Errorf("%d are kept, want %d", len(got), kept)
	}
}

func TestWhatTheRoomRefuses(t *testing.T) {
	url := start(t)
	for body, want := range map[string]string{
		`{"name": "", "text": " "}`:                                   `400 {"error":"the name is empty\nthe message is empty"}`,
		`{"name": "Ada", "text": "` + strings.Repeat("x", 501) + `"}`: `400 {"error":"the message has 501 characters; 500 are allowed"}`,
		`hello`: `400 {"error":"that is not the JSON that was expected"}`,
	} {
		wantText(t, body, ask(t, "POST", url+"messages", body), want)
	}
	wantText(t, "nothing is kept of it", ask(t, "GET", url+"messages", ""), "200 []")
}

func TestThePageIsServed(t *testing.T) {
	url := start(t)
	for path, holds := range map[string]string{"": "<title>Chatroom</title>", "chat.js": "textContent", "style.css": "color-scheme", "classic.js": "export function subscribe"} {
		if got := ask(t, "GET", url+path, ""); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, holds) {
			t.Errorf("/%s: %.100q does not hold %q", path, got, holds)
		}
	}
}

func TestARoomWithoutItsBoreasSaysSo(t *testing.T) {
	url := start(t, "--api=http://127.0.0.1:1", "--ws=ws://127.0.0.1:1/")
	const reason = `the chat cannot reach its Boreas: `
	for path, body := range map[string]string{"session": "", "messages": `{"name": "Ada", "text": "hi"}`} {
		if got := ask(t, "POST", url+path, body); !strings.HasPrefix(got, `502 {"error":"`+reason) {
			t.Errorf("/%s: %s", path, got)
		}
	}
	wantText(t, "what was not sent is not kept", ask(t, "GET", url+"messages", ""), "200 []")
}
