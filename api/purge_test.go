package api_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// A purge drops the kept messages, and the log names the caller.
func TestPurge(t *testing.T) {
	var log bytes.Buffer
	plain := func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			return slog.Attr{}
		case "position":
			_, offset, _ := strings.Cut(a.Value.String(), "-")
			a.Value = slog.StringValue("E-" + offset)
		}
		return a
	}
	r := newRig(t, boreas.Options{}, api.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: plain}))})
	const path = "/v2/channels/c/messages"
	r.do("POST", path, "1")
	first := r.page(t, path).Position
	r.do("POST", path, "2")
	for _, c := range []struct{ method, path, want string }{
		{"DELETE", path, told(200, `{"position":"E-2"}`+"\n")},
		{"DELETE", path, told(200, `{"position":"E-2"}`+"\n")},
		{"GET", path, told(200, `{"channel":"c","messages":[],"position":"E-2","more":false}`+"\n")},
		{"GET", path + "?last=3", told(200, `{"channel":"c","messages":[],"position":"E-2","more":false}`+"\n")},
		{"GET", path + "?since=" + first, failure(410, "purged", "Messages after the position were purged: they are no longer kept.", `,"oldest":"E-2"`)},
		{"GET", path + "/" + first, failure(404, "no_message", "An operator has purged the channel: it keeps only the messages after `oldest`. Publish the message again if it was purged by mistake.", `,"oldest":"E-2"`)},
		{"DELETE", "/v2/channels/%00/messages", failure(400, "channel_name", `Not a channel name: control character U+0000 at byte 0.`, "")},
		{"DELETE", path + "?x=1", failure(400, "malformed", "Unknown parameter \\\"x\\\": this path accepts none.", "")},
	} {
		if diff := cmp.Diff(strings.TrimSuffix(c.want, "\n"), r.ask(c.method, c.path, "")); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.method, c.path, diff)
		}
	}
	const want = `level=INFO msg="the messages of a channel were purged" channel=c position=E-2 by="nobody: the API needs no key"` + "\n"
	if diff := cmp.Diff(want+want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	text, key := r.makeKey("ops", auth.KeyAdmin, "c")
	log.Reset()
	r.do("DELETE", path, "", "Authorization", "Bearer "+text)
	if diff := cmp.Diff(strings.Replace(want, "nobody: the API needs no key", key.ID+" (ops)", 1), log.String()); diff != "" {
		t.Errorf("log with a key (-want +got):\n%s", diff)
	}
}

// The tails of all nodes forget the purged messages, so that new readers do not get them.
func TestPurgeOnAllNodes(t *testing.T) {
	logger, log := testlog.New()
	nodes := newCluster(t, api.Options{Log: logger}, "n1", "n2")
	kept := func() (all []string) {
		t.Helper()
		for _, n := range nodes {
			w, err := n.tail.Watch(tail.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			events, _, err := w.Take()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				all = append(all, n.name+" "+e.Channel+" "+string(e.Data))
			}
		}
		return all
	}
	for _, n := range nodes {
		w, err := n.tail.Watch(tail.Filter{}) // so that the tail has events of messages
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		n.published("a", "1")
		n.published("b", "2")
	}
	want := []string{"n1 b 2", "n2 b 2"}
	nodes[0].do("DELETE", "/v2/channels/a/messages", "")
	if diff := cmp.Diff(want, kept()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	nodes[1].published("a", "3")
	nodes[1].silent = true
	nodes[0].do("DELETE", "/v2/channels/a/messages", "")
	if diff := cmp.Diff(append(want, "n2 a 3"), kept()); diff != "" {
		t.Errorf("with a silent node (-want +got):\n%s", diff)
	}
	if !strings.Contains(log.String(), "nodes did not answer a purge") || !strings.Contains(log.String(), "nodes=[n2]") {
		t.Errorf("the log does not name the silent node: %s", log)
	}
	if got := nodes[0].answer(t.Context(), "purge", []byte(`{"channel":"a","position":"yesterday"}`)); got != nil {
		t.Errorf("a question without a position was answered: %s", got)
	}
}

// purgeFails is an engine whose Purge fails.
type purgeFails struct {
	engine.Engine
	err error
}

func (e *purgeFails) Purge(context.Context, string) (engine.Position, error) {
	return engine.Position{}, e.err
}

func TestPurgeFails(t *testing.T) {
	for _, c := range []struct {
		engine engine.Engine
		wait   string
		want   string
	}{
		{boreastest.NewShared(0), "", failure(501, "no_purge", "This engine cannot purge channels.", "")},
		{&purgeFails{memory.New(memory.Options{}), engine.ErrStorageFull}, "5", failure(507, "storage_full", "The server's disk is full. Nothing was published.", "")},
		{&purgeFails{memory.New(memory.Options{}), errors.New("secret")}, "1", failure(500, "internal", "The server failed; its log says why.", "")},
	} {
		t.Cleanup(func() { c.engine.Close() })
		r := newRig(t, boreas.Options{Engine: c.engine}, api.Options{Log: slog.New(slog.DiscardHandler)})
		if c.wait != "" {
			c.want = strings.Replace(c.want, "\nX-", "\nRetry-After: "+c.wait+"\nX-", 1)
		}
		if diff := cmp.Diff(strings.TrimSuffix(c.want, "\n"), strings.TrimSuffix(r.ask("DELETE", "/v2/channels/c/messages", ""), "\n")); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.engine, diff)
		}
	}
}
