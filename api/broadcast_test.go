package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestBroadcastReachesTheChannel(t *testing.T) {
	for path, channel := range map[string]string{
		"/broadcast/ch1/":                              "ch1",
		"/broadcast/token/":                            "token",
		"/broadcast/broadcast/":                        "broadcast",
		"/broadcast/debug/":                            "debug",
		"/broadcast/a%2Fb%2f/":                         "a/b/",
		"/broadcast/%2F/":                              "/",
		"/broadcast/a+b%20c/":                          "a+b c",
		"/broadcast/%22%5C/":                           `"\`,
		"/broadcast/%C5%BC%C3%B3/":                     "żó",
		"/broadcast/%252F/":                            "%2F",
		"/broadcast/%3Fa=b/":                           "?a=b",
		"/broadcast/ch2/?dryrun=1":                     "ch2",
		"/broadcast/%2E%2E/":                           "..",
		"/broadcast/%7Bchannel%7D/":                    "{channel}",
		"/broadcast/" + strings.Repeat("x", 255) + "/": strings.Repeat("x", 255),
	} {
		r := newRig(t, boreas.Options{}, api.Options{})
		s := r.subscribe(t, "A", channel)
		if diff := cmp.Diff(empty, r.broadcast(path, `{"dryrun": false, "payload": {"n": 1.0}}`)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
			continue
		}
		quoted := strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(channel)
		if diff := cmp.Diff(`{"message": {"n": 1.0}, "channel": "`+quoted+`"}`, s.next(t)); diff != "" {
			t.Errorf("%s: message (-want +got):\n%s", path, diff)
		}
	}
}

func TestBroadcastDryRunPublishesNothing(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	s := r.subscribe(t, "A", "ch1")
	for _, body := range []string{`{"dryrun": true, "payload": 1}`, `{"payload": 2}`} {
		if diff := cmp.Diff(empty, r.broadcast("/broadcast/ch1/", body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	if diff := cmp.Diff(`{"message": 2, "channel": "ch1"}`, s.next(t)); diff != "" {
		t.Errorf("first message (-want +got):\n%s", diff)
	}
}

func TestBroadcastErrors(t *testing.T) {
	const wrongType = "We only accept `Content-Type` `application/json`"
	for _, c := range []struct{ path, contentType, body, want string }{
		{"/broadcast/c/", "application/json; charset=utf-8", `{"payload": 1}`, empty},
		{"/broadcast/c/", "Application/JSON ;charset=\"utf-8\"", `{"payload": 1}`, empty},
		{"/broadcast/c/", "application/json;", `{"payload": 1}`, empty},
		{"/broadcast/c/", "", `{"payload": 1}`, errorAnswer(400, wrongType)},
		{"/broadcast/c/", "text/plain", `{"payload": 1}`, errorAnswer(400, wrongType)},
		{"/broadcast/c/", "text/plain; application/json", `{"payload": 1}`, errorAnswer(400, wrongType)},
		{"/broadcast/c/", "application/x-www-form-urlencoded", `{"payload": 1}`, errorAnswer(400, wrongType)},
		{"/broadcast/c/", "application/jsonp", `{"payload": 1}`, errorAnswer(400, wrongType)},
		{"/broadcast/c/", "application/json", ``, errorAnswer(400, "Could not parse payload as JSON.")},
		{"/broadcast/c/", "application/json", `{"payload": NaN}`, errorAnswer(400, "Could not parse payload as JSON.")},
		{"/broadcast/c/", "application/json", "{\"payload\": \"\xff\"}", errorAnswer(400, "Could not parse payload as JSON: it is not valid UTF-8.")},
		{"/broadcast/c/", "application/json", strings.Repeat("[", 1<<20), errorAnswer(400, "Could not parse payload as JSON: it is nested more than 900 levels deep.")},
		{"/broadcast/c/", "application/json", `[]`, errorAnswer(400, "Payload must be an object.")},
		{"/broadcast/c/", "application/json", `{}`, errorAnswer(400, "`payload` key is required.")},
		{"/broadcast/c/", "application/json", `{"payload": null, "dryrun": true}`, errorAnswer(400, "`payload` key is required.")},
		{"/broadcast/c/", "application/json", `{"payload": 1, "dryrun": "no"}`, errorAnswer(400, "`dryrun` must be true or false.")},
		{"/broadcast/%00/", "application/json", `{"payload": 1}`, errorAnswer(400, "Not a channel name: control character U+0000 at byte 0.")},
		{"/broadcast/%FF/", "application/json", `{"payload": 1}`, errorAnswer(400, "Not a channel name: it is not valid UTF-8.")},
		{"/broadcast/" + strings.Repeat("x", 256) + "/", "application/json", `{"payload": 1}`, errorAnswer(400, "Not a channel name: it has 256 bytes, more than 255.")},
	} {
		r := newRig(t, boreas.Options{}, api.Options{})
		got := r.do("POST", c.path, c.body, "Content-Type", c.contentType)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %q %.40q (-want +got):\n%s", c.path, c.contentType, c.body, diff)
		}
		if n := r.hub.Stats().Publishes; (n == 1) != (c.want == empty) {
			t.Errorf("%s %q %.40q: %d publications", c.path, c.contentType, c.body, n)
		}
	}
}

// engine is a memory engine with another Publish function.
type eng struct {
	*memory.Engine
	publish func(data []byte) error
}

func (e eng) Publish(_ context.Context, _ string, m engine.Message) (engine.Ack, error) {
	return engine.Ack{Position: engine.Position{Epoch: 1, Offset: 1}}, e.publish(m.Data)
}

func newEngine(t *testing.T, publish func(data []byte) error) eng {
	memory := memory.New(memory.Options{})
	t.Cleanup(func() { memory.Close() })
	return eng{memory, publish}
}

func TestBroadcastReportsTheEnginesError(t *testing.T) {
	waitingFor := func(seconds, answer string) string {
		return strings.Replace(answer, "\nX-", "\nRetry-After: "+seconds+"\nX-", 1)
	}
	waiting := func(answer string) string { return waitingFor("5", answer) }
	for err, want := range map[error]string{
		fmt.Errorf("memory: %w", engine.ErrClosed):       errorAnswer(503, "The server is shutting down; nothing was published."),
		fmt.Errorf("/data: %w", engine.ErrStorageFull):   waiting(errorAnswer(507, "The server's disk is full. Nothing was published. Send the message again later.")),
		fmt.Errorf("/data: %w", engine.ErrStorageFailed): waiting(errorAnswer(503, "The server's disk has failed: it could not write the message, or could not read stored messages. Send the message again later.")),
		fmt.Errorf("nats: %w", engine.ErrUnavailable):    waitingFor("1", errorAnswer(503, "The server cannot reach the store that the servers of the cluster share. Send the message again later.")),
		errors.New("disk full"):                          errorAnswer(500, "Publishing failed; the server's log says why. The message may or may not have been published."),
	} {
		logger, log := testlog.New()
		e := newEngine(t, func([]byte) error { return err })
		r := newRig(t, boreas.Options{Engine: e}, api.Options{Log: logger})
		if diff := cmp.Diff(want, r.broadcast("/broadcast/c/", `{"payload": 1}`)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if logged := strings.Contains(log.String(), err.Error()); logged != (err.Error() == "disk full") {
			t.Errorf("%v: log is %q", err, log)
		}
	}
}

// The hub keeps the message, so it must be a copy that nobody else uses or changes.
func TestBroadcastGivesTheHubItsOwnCopy(t *testing.T) {
	var kept [][]byte
	e := newEngine(t, func(data []byte) error { kept = append(kept, data); return nil })
	r := newRig(t, boreas.Options{Engine: e}, api.Options{})
	var want []string
	for i := range 20 {
		payload := fmt.Sprintf(`{"n": %d}`, i)
		want = append(want, payload)
		r.broadcast("/broadcast/c/", `{"other": "`+strings.Repeat("x", 3000)+`", "payload": `+payload+`}`)
	}
	var got []string
	for _, data := range kept {
		got = append(got, string(data))
		if cap(data) > 2*len(data)+32 {
			t.Errorf("%s holds %d bytes", data, cap(data))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept payloads (-want +got):\n%s", diff)
	}
}
