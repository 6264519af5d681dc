package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/examples/stage/stagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReadersGetTheirTopicsOnly(t *testing.T) {
	feed := stagetest.Start(t, run, "--every=0")
	reader := feed.Visit("")
	next := reader.Follow("weather", client.SubscribeOptions{})
	for _, body := range []string{`{"topic": "trains", "text": "late"}`, `{"topic": "weather", "text": " snow "}`} {
		feed.Want("201 ", "POST", "items", body)
	}
	got, err := stagetest.Read[item](next)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(item{Topic: "weather", Text: "snow", Time: got.Time}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A later subscription of a topic begins with its newest item.
	late, err := stagetest.Read[item](reader.Follow("trains", client.SubscribeOptions{Last: 1}))
	if err != nil || late.Text != "late" {
		t.Errorf("%v, got %+v, want the train", err, late)
	}
}

func TestItemsComeByThemselves(t *testing.T) {
	feed := stagetest.Start(t, run, "--every=1ms")
	reader := feed.Visit("")
	for _, topic := range topics {
		i, err := stagetest.Read[item](reader.Follow(topic, client.SubscribeOptions{}))
		if err != nil || i.Topic != topic || i.Text == "" {
			t.Errorf("on %s: %v, %+v", topic, err, i)
		}
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

func TestFeedRefusesInvalidRequests(t *testing.T) {
	feed := stagetest.Start(t, run, "--every=0")
	next := feed.Visit("").Follow("trains", client.SubscribeOptions{})
	for body, want := range map[string]string{
		`{"topic": "gossip", "text": "x"}`:                                `400 {"error":"the topic must be one of trains, weather, football"}`,
		`{"topic": "trains", "text": ""}`:                                 `400 {"error":"the text is empty"}`,
		`{"topic": "trains", "text": "` + strings.Repeat("x", 201) + `"}`: `400 {"error":"the text has 201 characters; 200 are allowed"}`,
		`{"topic": "trains", "text": "the first"}`:                        "201 ",
	} {
		feed.Want(want, "POST", "items", body)
	}
	if got, err := stagetest.Read[item](next); err != nil || got.Text != "the first" {
		t.Errorf("%v, got %+v: a refused item was published", err, got)
	}
}

func TestThePageIsServed(t *testing.T) {
	feed := stagetest.Start(t, run, "--every=0")
	for path, holds := range map[string]string{
		"": "<title>Live feed</title>", "feed.js": `from "/boreas.js"`, "style.css": "color-scheme",
		"page.js": "export async function call", "boreas.js": "export function connect",
	} {
		feed.WantText("200 ", holds, "GET", path, "")
	}
	feed.WantText(`200 {"server":"ws://`, `"topics":["trains","weather","football"]`, "POST", "session", "")
}

func TestFeedReportsThatItsServerIsUnreachable(t *testing.T) {
	feed := stagetest.Start(t, run, "--api=http://127.0.0.1:1", "--ws=ws://127.0.0.1:1/", "--every=1ms")
	feed.WantText(`502 {"error":"the feed cannot reach its Boreas: `, "", "POST", "session", "")
}
