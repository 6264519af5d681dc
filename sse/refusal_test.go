package sse

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// clauses 2.6, 10.1, 10.2, 10.3, 10.5, 10.6, 10.10
func TestRefusals(t *testing.T) {
	many := "?access_token=valid"
	for i := range maxChannels + 1 {
		many += fmt.Sprint("&channel=", i)
	}
	tests := []struct {
		query   string
		header  []string
		status  int
		code    string
		message string
	}{
		{"?channel=a", nil, 401, "unauthenticated", "The request needs a token, and the client has sent none."},
		{"?channel=a&access_token=", nil, 401, "unauthenticated", "The request needs a token, and the client has sent none."},
		{"?channel=a", []string{"Authorization", "Basic valid"}, 401, "unauthenticated", "The request needs a token, and the client has sent none."},
		{"?channel=a&access_token=x", nil, 401, "invalid_token", "The token is not valid, or is no longer valid."},
		{"?channel=a&access_token=valid", []string{"Authorization", "Bearer x"}, 401, "invalid_token", "The token is not valid, or is no longer valid."},
		{"", nil, 400, "malformed", "Name at least one channel, as in /v2/events?channel=news."},
		{"?channel=%zz", nil, 400, "malformed", `The parameters after ? cannot be read: invalid URL escape "%zz".`},
		{"?channel=a;b", nil, 400, "malformed", "The parameters after ? cannot be read: invalid semicolon separator in query."},
		{many, nil, 400, "too_many_channels", "A stream has at most 64 channels, and this request names more."},
		{"?channel=a&last=-1", nil, 400, "malformed", "The parameter last is not an integer from 0 to 9007199254740991."},
		{"?channel=a&last=9007199254740992", nil, 400, "malformed", "The parameter last is not an integer from 0 to 9007199254740991."},
		{"?channel=a&presence=yes", nil, 400, "malformed", "The parameter presence is neither true nor false."},
		{"?channel=a&lsat=2", nil, 400, "malformed", `There is no parameter "lsat": write last.`},
		{"?channel=a&sinse.a=1-1", nil, 400, "malformed", `There is no parameter "sinse.a": write since.NAME.`},
		{"?channel=a&Since.a=1-1", nil, 400, "malformed", `There is no parameter "Since.a": write since.NAME.`},
		{"?channel=a&Last=2", nil, 400, "malformed", `There is no parameter "Last": write last.`},
		{"?channels=a", nil, 400, "malformed", `There is no parameter "channels": write channel.`},
		{"?channel=a&presense=true", nil, 400, "malformed", `There is no parameter "presense": write presence.`},
		{"?channel=a&acces_token=valid", nil, 400, "malformed", `There is no parameter "acces_token": write access_token.`},
		{"?channel=a&lastEventID=x", nil, 400, "malformed", `There is no parameter "lastEventID": write last_event_id.`},
		{"?channel=a&last=2&last=3", nil, 400, "malformed", "The parameter last is given 2 times."},
		{"?channel=a&since=1-1", nil, 400, "malformed", "There is no parameter since: write since.NAME=POSITION for the channel NAME."},
		{"?channel=a&since.b%ff=1-1", nil, 400, "malformed", "The parameter since.b\uFFFD names a channel that the request does not join."},
		{"?channel=a&last_event_id=1-1", nil, 400, "bad_position", errID.Error()},
		{"?channel=a", []string{"Last-Event-ID", idOf([]string{"b"}, engine.Position{Epoch: 1})}, 400, "bad_position", errID.Error()},
		{"?channel=a&channel=b", []string{"Last-Event-ID", idOf([]string{"b", "a"}, engine.Position{Epoch: 1}, engine.Position{Epoch: 1})}, 400, "bad_position", errID.Error()},
		// Requests of pages that do not name their origin, with any other parameters.
		{"?channel=a&access_token=valid", []string{"Sec-Fetch-Site", "cross-site"}, 403, "origin_not_allowed", errEmbedded.Error()},
		{"?channel=a&access_token=x", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate"}, 403, "origin_not_allowed", errEmbedded.Error()},
		{"", []string{"Sec-Fetch-Site", "cross-site"}, 403, "origin_not_allowed", errEmbedded.Error()},
		{"?channel=a&access_token=x", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example"}, 401, "invalid_token", "The token is not valid, or is no longer valid."},
		{"?channel=a&access_token=x", []string{"Sec-Fetch-Site", "same-origin"}, 401, "invalid_token", "The token is not valid, or is no longer valid."},
		// Errors from the hub: no channel could be joined.
		{"?channel=&access_token=valid", nil, 400, "channel_name", "Not a channel name: it is empty."},
		{"?channel=a&access_token=valid&since.a=x", nil, 400, "bad_position", `Position "x": not a position: send the text that came with a message or a join, unchanged.`},
		{"?channel=a&access_token=valid&since.a=0-0", nil, 400, "bad_position", "Not a position: send the text that came with a message or a join, unchanged."},
		{"?channel=a&access_token=valid&presence=true", nil, 409, "presence_off", "Presence is off for this channel."},
		{"?channel=%00&channel=a&access_token=valid&presence=true", nil, 400, "channel_name", "Not a channel name: control character U+0000 at byte 0."},
	}
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		for _, c := range tests {
			resp := r.ask("GET", c.query, c.header...)
			body, _ := io.ReadAll(resp.Body)
			f := regexp.MustCompile(`^{"error":{"code":"(\w+)","message":"((?:[^"\\]|\\.)*)","retry":"\w+","docs":"docs/errors.md#(\w+)"}}` + "\n$").FindStringSubmatch(string(body))
			if f == nil {
				t.Errorf("%s: the body is %q", c.query, body)
				continue
			}
			got := fmt.Sprint(resp.StatusCode, " ", f[1], " ", strings.ReplaceAll(f[2], `\"`, `"`))
			if want := fmt.Sprint(c.status, " ", c.code, " ", c.message); got != want {
				t.Errorf("%s %s:\n got %s\nwant %s", c.query, c.header, got, want)
			}
			if resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Access-Control-Allow-Origin") != "*" ||
				(c.status == 401) != (resp.Header.Get("WWW-Authenticate") == "Bearer") || resp.ContentLength != int64(len(body)) {
				t.Errorf("%s: the header is %v", c.query, resp.Header)
			}
			if k.base() != overHTTP2 && !resp.Close {
				t.Errorf("%s: the connection stays open", c.query)
			}
		}
		r.gone()
	})
}

// clauses 8.7, 10.10
func TestNoRoom(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		n := new(Counters)
		r := newRig(t, k, boreas.Options{MaxSessions: 1}, Options{Counters: n})
		s, _ := r.open("?channel=a")
		refused := func(code string) {
			t.Helper()
			resp := r.ask("GET", "?channel=a&access_token=valid")
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.HasPrefix(string(body), `{"error":{"code":"`+code+`"`) {
				t.Errorf("got %s %v %s", resp.Status, resp.Header, body)
			}
		}
		refused("overloaded")
		r.hub.Shutdown(context.Background(), 0)
		s.next() // the goodbye
		refused("shutting_down")
		if n.Full.Load() != 2 {
			t.Errorf("counted %d", n.Full.Load())
		}
	})
}

func TestCounters(t *testing.T) {
	n := new(Counters)
	r := newRig(t, overSocket, boreas.Options{}, Options{Counters: n, AllowOrigin: func(origin string) (string, bool) { return origin, origin != "" && origin != "https://b" }})
	for _, query := range []string{"", "?channel=a", "?channel=a&access_token=valid&presence=true"} {
		r.ask("GET", query)
	}
	r.ask("GET", "", "Origin", "https://b")
	got := []uint64{n.Malformed.Load(), n.Unauthenticated.Load(), n.NotJoined.Load(), n.Origins.Load(), n.Full.Load()}
	if diff := cmp.Diff([]uint64{1, 1, 1, 1, 0}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMethods(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		for _, method := range []string{"POST", "HEAD", "DELETE"} {
			resp := r.ask(method, "?channel=a&access_token=valid")
			if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, OPTIONS" {
				t.Errorf("%s: got %s, %v", method, resp.Status, resp.Header)
			}
		}
	})
}

// clause 10.2
func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		for _, c := range [][]string{
			{"?channel=a&access_token=valid%20one", "valid one"},
			{"?channel=a", "valid two", "Authorization", "Bearer valid two"},
			{"?channel=a", "valid", "authorization", "bEARER   valid "},
			{"?channel=a&access_token=x", "valid", "Authorization", "Bearer valid"},
			{"?channel=a&access_token=valid", "valid", "Authorization", "Basic x"},
		} {
			resp := r.ask("GET", c[0], c[2:]...)
			list, _, _ := r.hub.ListSessions("", 2)
			if resp.StatusCode != 200 || len(list) != 1 || list[0].User != "user of "+c[1] {
				t.Errorf("%v: %s, %+v", c, resp.Status, list)
			}
			resp.Body.Close()
			r.gone()
		}
	})
}

// clauses 3.5, 10.2
func TestNoAuth(t *testing.T) {
	r := newRig(t, overSocket, boreas.Options{}, Options{NoAuth: true})
	r.ask("GET", "?channel=a")
	r.ask("GET", "?channel=a&access_token=valid")
	list, _, _ := r.hub.ListSessions("", 3)
	if len(list) != 2 || list[0].User == "" || list[0].User == list[1].User || list[1].User == "valid" {
		t.Errorf("%+v", list)
	}
}

// TestNoCheck: without a function that checks tokens, the first token would cause a panic.
func TestNoCheck(t *testing.T) {
	defer func() {
		const want = "sse: Options.Check is nil: set it to a function that checks tokens, or set NoAuth to let every client connect"
		if got := recover(); got != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}()
	Handler(nil, Options{})
}

// clause 10.8
func TestOrigins(t *testing.T) {
	some := func(origin string) (string, bool) { return origin, origin == "https://a" }
	tests := []struct {
		name   string
		allow  func(string) (string, bool)
		origin string
		status int
		header string // Access-Control-Allow-Origin and Vary
	}{
		{"all", nil, "https://a", 200, "* "},
		{"all, no page", nil, "", 200, "* "},
		{"some", some, "https://a", 200, "https://a Origin"},
		{"some, another", some, "https://b", 403, " Origin"},
		{"some, no page", some, "", 200, " Origin"},
	}
	each(t, func(t *testing.T, k kind) {
		for _, c := range tests {
			r := newRig(t, k, boreas.Options{}, Options{AllowOrigin: c.allow})
			var header []string
			if c.origin != "" {
				header = []string{"Origin", c.origin}
			}
			resp := r.ask("GET", "?channel=a&access_token=valid", header...)
			vary := strings.Join(resp.Header["Vary"], ", ")
			if c.status == 200 { // a stream may be compressed
				vary = strings.TrimSuffix(strings.TrimSuffix(vary, "Accept-Encoding"), ", ")
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin") + " " + vary; resp.StatusCode != c.status || got != c.header {
				t.Errorf("%s: %s %q, want %d %q", c.name, resp.Status, got, c.status, c.header)
			}
			if c.status == 403 {
				if body, _ := io.ReadAll(resp.Body); !strings.HasPrefix(string(body), `{"error":{"code":"origin_not_allowed"`) {
					t.Errorf("%s: %s", c.name, body)
				}
			}
			resp = r.ask("OPTIONS", "?channel=a", append(header, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization, traceparent,x-tenant, b@d")...)
			want := 204
			if c.status == 403 {
				want = 403
			}
			if resp.StatusCode != want || (want == 204) != (resp.Header.Get("Access-Control-Allow-Headers") == "Authorization, Cache-Control, Last-Event-ID, authorization, traceparent, x-tenant") {
				t.Errorf("%s: preflight: %s %v", c.name, resp.Status, resp.Header)
			}
		}
	})
}

// clauses 10.1, 10.7: the bytes of the response.
func TestTheResponse(t *testing.T) {
	for _, k := range []kind{overSocket, overPlain} {
		for _, version := range []string{"1.0", "1.1"} {
			r := newRig(t, k, boreas.Options{}, Options{})
			nc, err := net.Dial("tcp", r.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			fmt.Fprintf(nc, "GET %s?channel=a&access_token=valid HTTP/%s\r\nHost: x\r\n\r\n", Path, version)
			var got []string
			for lines := bufio.NewScanner(nc); lines.Scan() && lines.Text() != "data: "; {
				got = append(got, regexp.MustCompile(`^(Date|retry|id|data): .+`).ReplaceAllString(lines.Text(), "$1: …"))
				if strings.HasPrefix(lines.Text(), "data: ") {
					break
				}
			}
			want := []string{
				"HTTP/1.1 200 OK", "Access-Control-Allow-Origin: *", "Access-Control-Expose-Headers: Retry-After",
				"Cache-Control: no-store", "Connection: close", "Content-Type: text/event-stream", "Date: …", "Vary: Accept-Encoding",
				"X-Accel-Buffering: no", "", "retry: …", "id: …", "event: join", "data: …",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: (-want +got):\n%s", k, diff)
			}
		}
	}
	r := newRig(t, overHTTP2, boreas.Options{}, Options{})
	resp := r.ask("GET", "?channel=a&access_token=valid")
	h := resp.Header
	if resp.ProtoMajor != 2 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" {
		t.Errorf("%s %v", resp.Proto, h)
	}
}

// A stream needs a writer that can be hijacked or flushed.
func TestAWriterThatCannotFlush(t *testing.T) {
	hub := boreas.New(boreas.Options{})
	defer hub.Shutdown(context.Background(), 0)
	w := struct{ http.ResponseWriter }{httptest.NewRecorder()}
	Handler(hub, Options{NoAuth: true}).ServeHTTP(w, httptest.NewRequest("GET", Path+"?channel=a", nil))
	if n := hub.Sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}
