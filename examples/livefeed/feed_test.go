package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadersGetTheirTopicsOnly(t *testing.T) {
	url := start(t, "--every=0")
	next := visit(t, url, "weather")
	for _, body := range []string{`{"topic": "trains", "text": "late"}`, `{"topic": "weather", "text": " snow "}`} {
		wantText(t, "the answer", ask(t, "POST", url+"items", body), "201 ")
	}
	m := next()
	var got item
	if err := json.Unmarshal(m.Data, &got); err != nil {
		t.Fatal(err)
	}
	want := item{Number: got.Number, Topic: "weather", Text: "snow", Time: got.Time}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantText(t, "the channel", m.Channel, "weather")

	var all []item
	if err := json.Unmarshal([]byte(strings.TrimPrefix(ask(t, "GET", url+"items", ""), "200 ")), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Topic != "trains" || all[1] != got {
		t.Errorf("kept: %+v, want the trains and then %+v", all, got)
	}
}

func TestItemsComeByThemselves(t *testing.T) {
	url := start(t, "--every=1ms")
	next := visit(t, url, topics...)
	seen := map[string]bool{}
	last := int64(0)
	for len(seen) < len(topics) {
		m := next()
		var i item
		if err := json.Unmarshal(m.Data, &i); err != nil {
			t.Fatal(err)
		}
		if i.Topic != m.Channel || i.Text == "" || i.Number <= last {
			t.Errorf("on %s after number %d: %+v", m.Channel, last, i)
		}
		seen[i.Topic], last = true, i.Number
	}
}

func TestInventedItemsNameTwoTowns(t *testing.T) {
	for n := range 1000 {
		topic, text := invented(n)
		towns := 0
		for _, town := range []string{"Norden", "Westbrook", "Ostheim", "Southam"} {
			towns += strings.Count(text, town)
		}
		if want := map[bool]int{true: 1, false: 2}[topic == "weather"]; !slices.Contains(topics, topic) || towns < want {
			t.Errorf("%s: %s", topic, text)
		}
	}
}

func TestWhatTheFeedRefuses(t *testing.T) {
	url := start(t, "--every=0")
	for body, want := range map[string]string{
		`{"topic": "gossip", "text": "x"}`:                                `400 {"error":"the topic must be one of trains, weather, football"}`,
		`{"topic": "trains", "text": ""}`:                                 `400 {"error":"the text is empty"}`,
		`{"topic": "trains", "text": "` + strings.Repeat("x", 201) + `"}`: `400 {"error":"the text has 201 characters; 200 are allowed"}`,
	} {
		wantText(t, body, ask(t, "POST", url+"items", body), want)
	}
	wantText(t, "nothing is kept of it", ask(t, "GET", url+"items", ""), "200 []")
	wantText(t, "the topics", ask(t, "GET", url+"topics", ""), `200 ["trains","weather","football"]`)
}

func TestThePageIsServed(t *testing.T) {
	url := start(t, "--every=0")
	for path, holds := range map[string]string{"": "<title>Live feed</title>", "feed.js": "textContent", "style.css": "color-scheme", "classic.js": "export function subscribe"} {
		if got := ask(t, "GET", url+path, ""); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, holds) {
			t.Errorf("/%s: %.100q does not hold %q", path, got, holds)
		}
	}
}

func TestAFeedWithoutItsBoreasSaysSo(t *testing.T) {
	url := start(t, "--api=http://127.0.0.1:1", "--ws=ws://127.0.0.1:1/", "--every=1ms")
	if got := ask(t, "POST", url+"session", ""); !strings.HasPrefix(got, `502 {"error":"the feed cannot reach its Boreas: `) {
		t.Errorf("/session: %s", got)
	}
	wantText(t, "what was not sent is not kept", ask(t, "GET", url+"items", ""), "200 []")
}
