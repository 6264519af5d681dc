package client_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
)

// A Conn and a Subscriber with the option Compression receive all messages, and the Conn publishes them. Both directions
// are compressed.
func TestCompressionWithAServer(t *testing.T) {
	s := site.New(t, site.Options{NoKey: true})
	api, err := client.New(client.Options{API: "http://" + s.API})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	c, err := client.Connect(client.ConnectOptions{URL: "ws://" + s.WS, TokenFunc: api.NewToken, Compression: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	classic, err := client.NewSubscriber(client.SubscriberOptions{URL: "ws://" + s.WS, TokenFunc: api.NewToken, Channels: []string{"chat"}, Compression: true})
	if err != nil {
		t.Fatal(err)
	}
	chat, err := c.Subscribe(s.Ctx, "chat", client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const messages = 50
	var overClassic []string
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range classic.Messages(s.Ctx) {
			if err != nil {
				t.Error(err)
				return
			}
			if overClassic = append(overClassic, string(m.Data)); len(overClassic) == messages {
				return
			}
		}
	})
	for s.Server.Hub().Subscribers("chat") < 2 { // the classic wire has no reply to a join
		runtime.Gosched()
	}
	var want, got []string
	for n := range messages {
		text := fmt.Sprintf("%d %s", n, strings.Repeat(fmt.Sprint("part ", n, ", "), n*n/10))
		want = append(want, fmt.Sprintf("%q", text))
		if _, err := c.Publish(s.Ctx, "chat", text, client.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for event, err := range chat.Events(s.Ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := event.(*client.Message); ok {
			got = append(got, string(m.Data))
		}
		if len(got) == len(want) {
			break
		}
	}
	reading.Wait()
	for name, got := range map[string][]string{"Conn": got, "Subscriber": overClassic} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("messages of the %s (-want +got):\n%s", name, diff)
		}
	}
	response, err := http.Get("http://" + s.API + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, direction := range []string{"in", "out"} {
		if !regexp.MustCompile(`boreas_ws_compression_bytes_total\{direction="` + direction + `",form="compressed"\} [1-9]`).Match(metrics) {
			t.Errorf("nothing was compressed %s", direction)
		}
	}
}
