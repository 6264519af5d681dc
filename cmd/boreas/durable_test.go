//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
)

// startOnDisk starts a server with its messages in a directory.
func startOnDisk(t *testing.T, dir string) (*process, *served) {
	t.Helper()
	p := newProcess(t, "--api-port=0", "--ws-port=0", "--drain-time=0", "--require-auth=false", "--data-dir="+dir)
	s, err := startServer(p.cmd)
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

// acknowledged is a message with a reply: its key is also its text.
type acknowledged struct{ key, position string }

// publishUntilKilled publishes numbered messages on a channel until the server is gone. Their texts
// begin with the name. It calls each after every reply.
func publishUntilKilled(t *testing.T, api, channel, name string, each func()) (all []acknowledged) {
	c, err := client.New(client.Options{API: "http://" + api})
	if err != nil {
		t.Error(err)
		return nil
	}
	defer c.Close()
	for i := 0; ; i++ {
		key := fmt.Sprint(name, "-", i)
		p, err := c.Publish(t.Context(), channel, key, client.PublishOptions{Key: key})
		if err != nil {
			return all
		}
		all = append(all, acknowledged{key, p.Position})
		each()
	}
}

// TestKilledServerKeepsMessages: kill -9 loses no message with a reply, and a repeated key publishes
// nothing.
func TestKilledServerKeepsMessages(t *testing.T) {
	const (
		publishers = 8
		enough     = 400 // replies before the kill
	)
	dir := t.TempDir()
	p, s := startOnDisk(t, dir)
	var (
		publishing sync.WaitGroup
		kept       [publishers][]acknowledged
		replies    = make(chan struct{}, enough)
	)
	for i := range kept {
		publishing.Go(func() {
			kept[i] = publishUntilKilled(t, s.api, fmt.Sprint("ch", i), "m", func() {
				select {
				case replies <- struct{}{}:
				default:
				}
			})
		})
	}
	for range enough {
		<-replies
	}
	p.signal(syscall.SIGKILL)
	publishing.Wait()
	p.exit()

	p, s = startOnDisk(t, dir)
	c, err := client.New(client.Options{API: "http://" + s.api})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, want := range kept {
		channel := fmt.Sprint("ch", i)
		got := readAll(t, c, channel)
		if len(got) < len(want) || len(got) > len(want)+1 { // the last one may have no reply
			t.Fatalf("%s: %d messages, and %d with replies", channel, len(got), len(want))
		}
		if diff := cmp.Diff(want, got[:len(want)], cmp.AllowUnexported(acknowledged{})); diff != "" {
			t.Errorf("%s (-acknowledged +kept):\n%s", channel, diff)
		}
		last := got[len(got)-1]
		again, err := c.Publish(t.Context(), channel, last.key, client.PublishOptions{Key: last.key})
		if err != nil || !again.Duplicate || again.Position != last.position {
			t.Errorf("%s: a repeat of %v: %+v, %v", channel, last, again, err)
		}
	}
	p.signal(syscall.SIGTERM)
	if code, log := p.exit(); code != exitOK || !strings.Contains(log, `msg="messages are kept on disk" dir=`+dir+"/history epoch=kept ") {
		t.Errorf("exit code %d\n%s", code, log)
	}
}

// readAll returns the messages of a channel, which are their keys.
func readAll(t *testing.T, c *client.Client, channel string) (all []acknowledged) {
	t.Helper()
	for since := ""; ; {
		page, err := c.History(context.Background(), channel, client.HistoryOptions{Since: since, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			all = append(all, acknowledged{textOf(t, m.Data), m.Position})
		}
		if since = page.Position; !page.More {
			return all
		}
	}
}

// TestSubscriberOfAKilledServer: a subscriber resumes after kill -9. It receives each message with a
// reply once, in order, and no gap.
func TestSubscriberOfAKilledServer(t *testing.T) {
	const (
		channel = "news"
		kills   = 3
		enough  = 100 // replies before each kill
	)
	dir := t.TempDir()
	proxy, err := faultproxy.New("")
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	conn, err := client.Connect(client.ConnectOptions{URL: "ws://" + proxy.Addr(), MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p, s := startOnDisk(t, dir)
	proxy.SetBackend(s.ws)
	subscription, err := conn.Subscribe(t.Context(), channel, client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var want []acknowledged
	for kill := range kills {
		n := 0
		want = append(want, publishUntilKilled(t, s.api, channel, fmt.Sprint("m", kill), func() {
			if n++; n == enough {
				proxy.SetBackend("")
				p.signal(syscall.SIGKILL)
			}
		})...)
		p.exit()
		p, s = startOnDisk(t, dir)
		proxy.SetBackend(s.ws)
	}
	api, err := client.New(client.Options{API: "http://" + s.api})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	if _, err := api.Publish(t.Context(), channel, "end", client.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	// Messages without a reply may have been kept, so compare with the history.
	kept := readAll(t, api, channel)
	var got []acknowledged
	resumed := 0
	for event, err := range subscription.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		switch event := event.(type) {
		case *client.Joined:
			if resumed++; resumed > 1 && !event.Recovered {
				t.Errorf("not recovered: %+v", event)
			}
		case *client.Message:
			got = append(got, acknowledged{textOf(t, event.Data), event.Position})
		}
		if len(got) > 0 && got[len(got)-1].key == "end" {
			break
		}
	}
	if diff := cmp.Diff(kept, got, cmp.AllowUnexported(acknowledged{})); diff != "" {
		t.Errorf("messages (-kept +received):\n%s", diff)
	}
	if resumed < kills+1 {
		t.Errorf("joined %d times, with %d kills", resumed, kills)
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%v was acknowledged, and was not received", w)
		}
	}
}

// textOf returns a message that is a string.
func textOf(t *testing.T, data json.RawMessage) (s string) {
	t.Helper()
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}
