package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestPublishTakesAnyJSONUnderAnyContentType(t *testing.T) { // clause 1.7
	for _, c := range []struct{ path, contentType, body, message, channel string }{
		{"/v2/channels/news/messages", "application/x-www-form-urlencoded", `{"hello":1}`, `{"hello":1}`, "news"},
		{"/v2/channels/news/messages", "", ` [1.0, 12345678901234567890] `, `[1.0, 12345678901234567890]`, "news"},
		{"/v2/channels/news/messages", "application/json", "null", "null", "news"},
		{"/v2/channels/news/messages", "text/plain", `"a"`, `"a"`, "news"},
		{"/v2/channels/news/messages?dry_run=false", "text/plain", "{\n \"a\": 1\r\n}", `{"a":1}`, "news"},
		{"/v2/channels/a%2Fb%2F/messages", "", "1", "1", "a/b/"},
		{"/v2/channels/messages/messages", "", "1", "1", "messages"},
		{"/v2/channels/%C5%BC%20+/messages", "", "1", "1", "ż +"},
	} {
		r := newRig(t, boreas.Options{}, api.Options{})
		s := r.subscribe(t, "A", c.channel)
		got := r.ask("POST", c.path, c.body, "Content-Type", c.contentType)
		if diff := cmp.Diff(told(201, `{"position":"E-1","subscribers":1}`), got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.path, c.body, diff)
			continue
		}
		if diff := cmp.Diff(`{"message": `+c.message+`, "channel": "`+c.channel+`"}`, s.next(t)); diff != "" {
			t.Errorf("%s %s: message (-want +got):\n%s", c.path, c.body, diff)
		}
	}
}

func TestPublishIsIdempotentByKey(t *testing.T) { // clause 6.3
	r := newRig(t, boreas.Options{}, api.Options{})
	const path = "/v2/channels/news/messages"
	for _, c := range []struct{ path, key, body, want string }{
		{path, "k", `{"n":1}`, told(201, `{"position":"E-1","subscribers":0}`)},
		{path, "k", ` {"n":1}`, told(200, `{"position":"E-1","subscribers":0,"duplicate":true}`)},
		{path, "k", `{"n":2}`, failure(422, "key_reused", "Another message was published on this channel with the same key.", "")},
		{path, "K", `{"n":2}`, told(201, `{"position":"E-2","subscribers":0}`)},
		{"/v2/channels/other/messages", "k", `{"n":2}`, told(201, `{"position":"E-1","subscribers":0}`)},
		{path, strings.Repeat("k", 128), `3`, told(201, `{"position":"E-3","subscribers":0}`)},
		{path, strings.Repeat("k", 129), `3`, failure(400, "bad_key", "An idempotency key must have 1 to 128 bytes.", "")},
		{path, "", `3`, failure(400, "bad_key", "An idempotency key must have 1 to 128 bytes.", "")},
		{path + "?dry_run=true", strings.Repeat("k", 129), `3`, failure(400, "bad_key", "An idempotency key must have 1 to 128 bytes.", "")},
	} {
		got := r.ask("POST", c.path, c.body, "Idempotency-Key", c.key)
		if diff := cmp.Diff(strings.TrimSuffix(c.want, "\n"), got); diff != "" {
			t.Errorf("key %.10q, %s (-want +got):\n%s", c.key, c.body, diff)
		}
	}
}

func TestPublishDryRunPublishesNothing(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	r.subscribe(t, "A", "news")
	const path = "/v2/channels/news/messages?dry_run=true"
	if diff := cmp.Diff(told(200, `{"dry_run":true,"subscribers":1}`), r.ask("POST", path, "1", "Idempotency-Key", "k")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	batch := `{"messages":[{"channel":"news","message":1},{"channel":"","message":1},{"channel":"c","message":1,"key":"` + strings.Repeat("k", 129) + `"}]}`
	got := r.ask("POST", "/v2/messages?dry_run=true", batch)
	want := told(200, `{"results":[{"dry_run":true,"subscribers":1},`+problem("channel_name", "Not a channel name: it is empty.")+","+
		problem("bad_key", "An idempotency key must have 1 to 128 bytes.")+`]}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
	if n := r.hub.Stats().Publishes; n != 0 {
		t.Errorf("%d publications", n)
	}
}

// problem returns the body of an error response.
func problem(code, message string) string {
	_, body, _ := strings.Cut(failure(0, code, message, ""), "\n\n")
	return strings.TrimSuffix(body, "\n")
}

func TestPublishErrors(t *testing.T) {
	bad := func(what string) string {
		return failure(400, "malformed", "The body must be one JSON value, the message: "+what+".", "")
	}
	for _, c := range []struct{ path, body, want string }{
		{"/v2/channels/a/messages", "", bad("it is empty")},
		{"/v2/channels/a/messages", "hello", bad("not JSON: invalid character 'h' looking for beginning of value, at byte 1")},
		{"/v2/channels/a/messages", "1 2", bad("not JSON: invalid character '2' after top-level value, at byte 3")},
		{"/v2/channels/a/messages", "\"\xff\"", bad("not UTF-8")},
		{"/v2/channels/a/messages", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), bad("nested too deeply")},
		{"/v2/channels/%00/messages", "1", failure(400, "channel_name", "Not a channel name: control character U+0000 at byte 0.", "")},
		{"/v2/channels//messages", "1", failure(400, "channel_name", "Not a channel name: it is empty.", "")},
		{"/v2/channels/a/messages?dry_run=yes", "1", failure(400, "malformed", `The parameter dry_run is \"yes\": it must be true or false.`, "")},
		{"/v2/channels/a/messages?dryrun=true", "1", failure(400, "malformed", `Unknown parameter \"dryrun\": this path accepts dry_run.`, "")},
	} {
		r := newRig(t, boreas.Options{}, api.Options{})
		if diff := cmp.Diff(c.want, r.do("POST", c.path, c.body)); diff != "" {
			t.Errorf("%s %.40q (-want +got):\n%s", c.path, c.body, diff)
		}
		if n := r.hub.Stats().Publishes; n > 0 {
			t.Errorf("%s %.40q: %d publications", c.path, c.body, n)
		}
	}
}

func TestPublishReportsTheEnginesError(t *testing.T) { // clause 6.4
	waitingFor := func(seconds, answer string) string {
		return strings.Replace(answer, "\nX-", "\nRetry-After: "+seconds+"\nX-", 1)
	}
	waiting := func(answer string) string { return waitingFor("1", answer) }
	for _, c := range []struct {
		err    error
		code   string
		answer string
	}{
		{fmt.Errorf("memory: %w", engine.ErrClosed), "shutting_down", failure(503, "shutting_down", "The server is shutting down.", "")},
		{engine.ErrTooManyKeys, "too_many_keys", waiting(failure(503, "too_many_keys", "Too many idempotency keys at once.", ""))},
		// The name of a file is not for clients.
		{fmt.Errorf("/data/7.log: %w", engine.ErrStorageFull), "storage_full", waitingFor("5", failure(507, "storage_full", "The server's disk is full. Nothing was published.", ""))},
		{fmt.Errorf("/data/7.log: %w", engine.ErrStorageFailed), "storage_failed", waitingFor("5", failure(503, "storage_failed", "The server's disk has failed: it could not write the message, or could not read stored messages.", ""))},
		{fmt.Errorf("nats://10.0.0.1: %w", engine.ErrUnavailable), "cluster_unavailable", waiting(failure(503, "cluster_unavailable", "The server cannot reach the store that the servers of the cluster share.", ""))},
		{errors.New("disk full"), "internal", waiting(failure(500, "internal", "The server failed; its log says why.", ""))},
	} {
		logger, log := testlog.New()
		r := newRig(t, boreas.Options{Engine: newEngine(t, func([]byte) error { return c.err })}, api.Options{Log: logger})
		if diff := cmp.Diff(c.answer, r.do("POST", "/v2/channels/c/messages", "1")); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.err, diff)
		}
		got := r.ask("POST", "/v2/messages", `{"messages":[{"channel":"c","message":1}]}`)
		if !strings.Contains(got, `{"results":[{"error":{"code":"`+c.code+`"`) {
			t.Errorf("%v: the batch got %s", c.err, got)
		}
		if n := strings.Count(log.String(), c.err.Error()); (n == 2) != (c.code == "internal") {
			t.Errorf("%v: log is %q", c.err, log)
		}
	}
}

// The hub keeps the message, so it must be a copy that nobody else uses or changes.
func TestPublishGivesTheHubItsOwnCopy(t *testing.T) {
	var kept [][]byte
	r := newRig(t, boreas.Options{Engine: newEngine(t, func(data []byte) error { kept = append(kept, data); return nil })}, api.Options{})
	var want, got []string
	for i := range 20 {
		message := fmt.Sprintf(`{"n": %d}`, i)
		want = append(want, message, message)
		r.do("POST", "/v2/channels/c/messages", strings.Repeat(" ", 3000)+message)
		r.do("POST", "/v2/messages", `{"messages": [{"channel": "c", "message": `+message+`}]}`)
	}
	for _, data := range kept {
		got = append(got, string(data))
		if cap(data) > 2*len(data)+32 {
			t.Errorf("%s holds %d bytes", data, cap(data))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept messages (-want +got):\n%s", diff)
	}
}

func TestBatch(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	s := r.subscribe(t, "A", "a")
	body := `{"messages": [
		{"channel": "a", "message": {"n": 1.0}, "key": "k"},
		{"channel": "a", "message": {"n": 1.0}, "key": "k"},
		{"channel": "a", "message": 2, "key": "k"},
		{"channel": "\u0000", "message": 3},
		{"channel": "a"},
		7,
		{"channel": "b", "message": null},
		{"channel": "a", "message": [1,
			2]}
	]}`
	want := told(200, `{"results":[{"position":"E-1","subscribers":1},{"position":"E-1","subscribers":1,"duplicate":true},`+
		problem("key_reused", "Another message was published on this channel with the same key.")+","+
		problem("channel_name", "Not a channel name: control character U+0000 at byte 0.")+","+
		problem("malformed", "This message is not valid: `message` is required.")+","+
		problem("malformed", "This message is not valid: it is not an object.")+","+
		`{"position":"E-1","subscribers":0},{"position":"E-2","subscribers":1}]}`)
	if diff := cmp.Diff(want, r.ask("POST", "/v2/messages", body, "Content-Type", "text/plain")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, message := range []string{`{"n": 1.0}`, "[1,2]"} {
		if diff := cmp.Diff(`{"message": `+message+`, "channel": "a"}`, s.next(t)); diff != "" {
			t.Errorf("message (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(told(200, `{"results":[]}`), r.ask("POST", "/v2/messages", `{"messages":[]}`)); diff != "" {
		t.Errorf("empty batch (-want +got):\n%s", diff)
	}
}

func TestBatchErrors(t *testing.T) {
	bad := func(what string) string {
		return failure(400, "malformed", "The body must be an object with a list of messages: "+what+".", "")
	}
	thousand := strings.Repeat(`{"channel":"a","message":1},`, 1000)
	for body, want := range map[string]string{
		`[]`: bad("it is not an object"),
		`{}`: bad("`messages` is required and must be a list"),
		`{"messages":[` + thousand + `{"channel":"a","message":1}]}`: bad("there are more than 1000 messages: send the rest in another request"),
	} {
		r := newRig(t, boreas.Options{}, api.Options{})
		if diff := cmp.Diff(want, r.do("POST", "/v2/messages", body)); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", body, diff)
		}
		if n := r.hub.Stats().Publishes; n > 0 {
			t.Errorf("%.40q: %d publications", body, n)
		}
	}
	r := newRig(t, boreas.Options{}, api.Options{})
	got := r.do("POST", "/v2/messages", `{"messages":[`+strings.TrimSuffix(thousand, ",")+`]}`)
	if n := strings.Count(got, `"position"`); n != 1000 || !strings.HasPrefix(got, "200\n") {
		t.Errorf("1000 messages: %d were published: %.100s", n, got)
	}
	want := failure(400, "malformed", "The header Idempotency-Key does not apply to many messages: give each message its own `key`.", "")
	if diff := cmp.Diff(want, r.do("POST", "/v2/messages", `{"messages":[]}`, "Idempotency-Key", "k")); diff != "" {
		t.Errorf("with a header (-want +got):\n%s", diff)
	}
}

func TestV2BodyBounds(t *testing.T) {
	closing := func(answer string) string { return strings.Replace(answer, "\n", "\nConnection: close\n", 1) }
	for _, path := range []string{"/v2/channels/a/messages", "/v2/messages"} {
		r := newRig(t, boreas.Options{}, api.Options{MaxBody: 20})
		want := closing(failure(413, "too_large", "The body is larger than 20 bytes.", ""))
		if diff := cmp.Diff(want, r.do("POST", path, `"`+strings.Repeat("x", 19)+`"`)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		head := "POST " + path + " HTTP/1.1\nHost: localhost\n"
		cut := served(failure(400, "malformed", "The body ended early, or its framing is not valid HTTP.", ""), "Connection: close\n")
		if diff := cmp.Diff(cut, exchange(t, r, head+"Transfer-Encoding: chunked\n\nzz\n")); diff != "" {
			t.Errorf("%s, a broken chunk (-want +got):\n%s", path, diff)
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, boreas.Options{}, api.Options{BodyTimeout: 3 * time.Second})
			want := failure(408, "timeout", "The body did not arrive within 3s.", "")
			if diff := cmp.Diff(served(want, "Connection: close\n"), slowly(t, r, head+"Content-Length: 5\n\n1")); diff != "" {
				t.Errorf("%s, slowly (-want +got):\n%s", path, diff)
			}
		})
	}
}
