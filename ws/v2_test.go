package ws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// v2Server runs protocol 2 on a port of this machine. Clients may publish on the channels chat.*,
// which have presence. All other channels have the default rule.
func v2Server(t *testing.T, k kind, h boreas.Options, o Options) (*boreas.Hub, string) {
	t.Helper()
	h.Rules = (*boreas.Rules)(nil).
		Add(boreastest.Pattern("chat.*"), boreas.Rule{ClientPublish: true, Presence: boreas.PresenceFull}).
		Add(boreastest.Pattern("small"), boreas.Rule{Retention: engine.Retention{Messages: 2}})
	if h.Engine == nil {
		e := memory.New(memory.Options{Limits: func(channel string) engine.Retention { return h.Rules.For(channel).Retention }})
		t.Cleanup(func() { e.Close() })
		h.Engine = e
	}
	return serverOf(t, k, h, func(hub *boreas.Hub) http.Handler { return Handler(hub, withTestDefaults(o)) })
}

// Positions and names of sessions differ between runs. The tests replace the epoch by E, and the
// name of a session by a number in the order of appearance.
var (
	epochs   = regexp.MustCompile(`"[0-9a-z]{5,}-([0-9a-z]+)"`)
	sessions = regexp.MustCompile(`s_[0-9a-z]+`)
)

// v2Client is a client that compares all messages that it receives.
type v2Client struct {
	*client
	names map[string]string
	epoch string
}

func newV2Client(t *testing.T, addr string) *v2Client {
	t.Helper()
	c := &v2Client{client: newClientAt(t, addr, "/v2"), names: map[string]string{}}
	return c
}

// get reads one frame and replaces positions and names.
func (c *v2Client) get() string {
	c.t.Helper()
	f := c.next()
	if m := epochs.FindString(f); m != "" {
		c.epoch = strings.Split(m[1:], "-")[0]
	}
	f = epochs.ReplaceAllString(f, `"E-$1"`)
	return sessions.ReplaceAllStringFunc(f, func(s string) string {
		if c.names[s] == "" {
			c.names[s] = fmt.Sprintf("s_%d", len(c.names)+1)
		}
		return c.names[s]
	})
}

// expect sends a request, unless it is empty, and compares the messages that follow.
func (c *v2Client) expect(request string, frames ...string) {
	c.t.Helper()
	if request != "" {
		c.send(strings.ReplaceAll(request, "E-", c.epoch+"-"))
	}
	for _, want := range frames {
		if diff := cmp.Diff(want, c.get()); diff != "" {
			c.t.Fatalf("after %s (-want +got):\n%s", request, diff)
		}
	}
}

const v2Hello = `text {"hello":{"protocol":2,"session":"s_1","heartbeat":25,"limits":{"frame_bytes":65536,"channels":1000,"channel_bytes":255,"key_bytes":128,"history":1000,"info_bytes":1024}}}`

// authenticated connects and authenticates.
func authenticated(t *testing.T, addr string) *v2Client {
	t.Helper()
	c := newV2Client(t, addr)
	c.expect(`{"id":1,"auth":{"token":"valid"}}`, v2Hello, `text {"id":1,"auth":{"user":"user"}}`)
	return c
}

// failed is the frame of a refused request.
func failed(id, code, message, retry string) string {
	if id != "" {
		id = `"id":` + id + ","
	}
	return fmt.Sprintf(`text {%s"error":{"code":%q,"message":%q,"retry":%q,"docs":"docs/errors.md#%s"}}`, id, code, message, retry, code)
}

// TestAConversation compares every byte of a connection from hello to the close frame.
//
// clauses 1.1, 2.1, 2.2, 2.3, 2.4, 2.6, 2.7, 3.1, 3.2, 3.3, 3.4, 4.1, 4.2, 4.3, 4.7, 4.8, 4.10, 4.11, 4.12, 5.1, 6.1,
// 6.2, 6.3, 6.4, 7.1, 7.2, 7.4, 8.2, 9.1, 9.3, 9.4
func TestAConversation(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		hub, addr := v2Server(t, k, boreas.Options{}, Options{Heartbeat: 25 * time.Second})
		c := newV2Client(t, addr)
		c.expect(`{"id":1,"join":{"channels":[{"channel":"news"}]}}`, v2Hello,
			failed("1", "unauthenticated", "The session is anonymous: authenticate first.", "new_token"))
		c.expect(`{"id":2,"auth":{"token":"wrong"}}`, failed("2", "invalid_token", "The token is not valid, or is no longer valid.", "new_token"))
		c.expect(`{"id":"a","ping":{}}`, `text {"id":"a","ping":{}}`)
		c.expect(`{"auth":{"token":"valid"}}`) // carried out without a reply
		c.expect(`{"id":3,"auth":{"token":"valid"}}`, `text {"id":3,"auth":{"user":"user"}}`)

		c.expect(`{"id":4,"join":{"channels":[{"channel":"news"},{"channel":""},{"channel":"chat.1","presence":true,"info":{"a": 1}},{"channel":"other","presence":true},{"channel":"old","since":"no position"}]}}`,
			`text {"id":4,"join":{"channels":[{"channel":"news","position":"E-0"},`+
				`{"channel":"","error":{"code":"channel_name","message":"Not a channel name: it is empty.","retry":"never","docs":"docs/errors.md#channel_name"}},`+
				`{"channel":"chat.1","position":"E-0","presence":{"users":1,"sessions":1,"members":[{"user":"user","sessions":["s_1"],"info":{"a":1}}]}},`+
				`{"channel":"other","error":{"code":"presence_off","message":"Presence is off for this channel.","retry":"never","docs":"docs/errors.md#presence_off"}},`+
				`{"channel":"old","error":{"code":"bad_position","message":"Position \"no position\": not a position: send the text that came with a message or a join, unchanged.","retry":"never","docs":"docs/errors.md#bad_position"}}]}}`)
		publish(t, hub, "news", `{"a":1}`)
		c.expect("", `text {"channel":"news","message":{"a":1},"position":"E-1"}`)
		c.expect(`{"id":5,"publish":{"channel":"news","message":1}}`, failed("5", "not_permitted", "The channel's rule does not let clients publish (client_publish).", "never"))
		c.expect(`{"id":6,"publish":{"channel":"chat.1","message":[1,
			2],"key":"k","echo":false}}`, `text {"id":6,"publish":{"position":"E-1"}}`)
		c.expect(`{"id":7,"publish":{"channel":"chat.1","message":[1,2],"key":"k"}}`, `text {"id":7,"publish":{"position":"E-1","duplicate":true}}`)
		c.expect(`{"id":8,"publish":{"channel":"chat.1","message":2,"key":"k"}}`, failed("8", "key_reused", "Another message was published on this channel with the same key.", "never"))
		c.expect(`{"id":9,"publish":{"channel":"chat.1","message":3,"key":""}}`, failed("9", "bad_key", "An idempotency key must have 1 to 128 bytes.", "never"))
		c.expect(`{"publish":{"channel":"chat.1","message":null}}`, `text {"channel":"chat.1","message":null,"position":"E-2"}`)

		c.expect(`{"id":10,"history":{"channel":"chat.1"}}`,
			`text {"id":10,"history":{"channel":"chat.1","messages":[{"message":[1,2],"position":"E-1"},{"message":null,"position":"E-2"}],"position":"E-2","more":false}}`)
		c.expect(`{"id":11,"history":{"channel":"chat.1","limit":1}}`,
			`text {"id":11,"history":{"channel":"chat.1","messages":[{"message":[1,2],"position":"E-1"}],"position":"E-1","more":true}}`)
		c.expect(`{"id":12,"history":{"channel":"chat.1","since":"E-2"}}`, `text {"id":12,"history":{"channel":"chat.1","messages":[],"position":"E-2","more":false}}`)
		c.expect(`{"id":13,"history":{"channel":"chat.1","limit":1001}}`, failed("13", "malformed", "The limit 1001 is not from 1 to 1000.", "never"))
		for i := range 5 {
			publish(t, hub, "small", fmt.Sprint(i))
		}
		c.expect(`{"id":14,"history":{"channel":"small","since":"E-1"}}`,
			`text {"id":14,"error":{"code":"expired","message":"Position has expired: publications after it are no longer kept.","retry":"never","docs":"docs/errors.md#expired","oldest":"E-3"}}`)
		c.expect(`{"id":15,"join":{"channels":[{"channel":"small","since":"E-1","last":9},{"channel":"news","since":"E-1"}]}}`,
			`text {"id":15,"join":{"channels":[{"channel":"small","position":"E-3","recovered":false,"gap":{"reason":"expired","from":"E-1","to":"E-3"},"oldest":"E-3"},`+
				`{"channel":"news","error":{"code":"already_joined","message":"The channel is already joined: leave it first to start at another position.","retry":"never","docs":"docs/errors.md#already_joined"}}]}}`,
			`text {"channel":"small","message":3,"position":"E-4"}`, `text {"channel":"small","message":4,"position":"E-5"}`)

		c.expect(`{"id":16,"presence":{"channel":"chat.1"}}`,
			`text {"id":16,"presence":{"channel":"chat.1","users":1,"sessions":1,"members":[{"user":"user","sessions":["s_1"],"info":{"a":1}}]}}`)
		c.expect(`{"id":17,"presence":{"channel":"chat.2"}}`, `text {"id":17,"presence":{"channel":"chat.2","users":0,"sessions":0,"members":[]}}`)
		c.expect(`{"id":18,"presence":{"channel":"news"}}`, failed("18", "presence_off", "Presence is off for this channel.", "never"))
		c.expect(`{"id":19,"leave":{"channels":["news","never","chat.1"]}}`,
			`text {"id":19,"leave":{"channels":[{"channel":"news"},{"channel":"never"},{"channel":"chat.1"}]}}`)
		publish(t, hub, "news", "2")
		c.expect(`{"id":20,"presence":{"channel":"chat.1"}}`, `text {"id":20,"presence":{"channel":"chat.1","users":0,"sessions":0,"members":[]}}`)

		c.write(closeOf("\x03\xe8bye"))
		c.want("close 1000 ")
		c.wantEOF()
	})
}

// TestMalformedRequests sends every example and compares the reply: clauses 2.5, 1.2.
func TestMalformedRequests(t *testing.T) {
	var rows []struct{ Name, Text, Reply string }
	b, err := os.ReadFile("../internal/wire/testdata/v2/malformed.json")
	if err == nil {
		err = json.Unmarshal(b, &rows)
	}
	if err != nil || len(rows) == 0 {
		t.Fatal(err)
	}
	n := new(Counters)
	_, addr := v2Server(t, overSocket, boreas.Options{}, Options{Heartbeat: 25 * time.Second, Counters: n})
	c := authenticated(t, addr)
	for _, row := range rows {
		if row.Text == "" {
			continue
		}
		c.send(row.Text)
		if diff := cmp.Diff("text "+row.Reply, c.next()); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", row.Name, diff)
		}
		c.expect(`{"id":1,"ping":{}}`, `text {"id":1,"ping":{}}`) // the session continues
	}
	if n.Malformed.Load() == 0 {
		t.Error("not counted")
	}
}

// clauses 4.2, 4.12: an invalid entry does not affect the others, for each kind of error.
func TestAnInvalidEntryFailsAlone(t *testing.T) {
	_, addr := v2Server(t, overSocket, boreas.Options{}, Options{Heartbeat: 25 * time.Second})
	c := authenticated(t, addr)
	type result struct {
		Channel, Position string
		Error             *struct{ Code string }
	}
	ask := func(kind string, entries ...string) []result {
		t.Helper()
		c.send(fmt.Sprintf(`{"id":1,%q:{"channels":[%s]}}`, kind, strings.Join(entries, ",")))
		text := c.next()
		var reply map[string]json.RawMessage
		var body struct{ Channels []result }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "text ")), &reply); err == nil && reply[kind] != nil {
			json.Unmarshal(reply[kind], &body) //nolint:errcheck // there are no results in that case
		}
		if len(body.Channels) != len(entries) {
			t.Fatalf("%s of %q: %s", kind, entries, text)
		}
		return body.Channels
	}
	for bad, channel := range map[string]string{
		`{"channel":"room \ud83d"}`: "room \ufffd", `{"channel":"\udc00\ud83d\ude00"}`: "\ufffd\U0001f600",
		`{"channel":5}`: "", `{"channel":null}`: "", `{}`: "", `5`: "", `null`: "", `[]`: "", `"good"`: "",
		`{"channel":"x","since":5}`: "x", `{"channel":"x","since":"\ud83d"}`: "x", `{"channel":"x","since":null}`: "x",
		`{"channel":"x","last":-1}`: "x", `{"channel":"x","last":"1"}`: "x", `{"channel":"x","last":1e3}`: "x",
		`{"channel":"x","presence":1}`: "x", `{"channel":"x","presence":null}`: "x", `{"channel":"x","presence":"true"}`: "x",
	} {
		got := ask("join", `{"channel":"first"}`, bad, `{"channel":"last"}`)
		if got[0].Position == "" || got[2].Position == "" || got[1].Error == nil || got[1].Error.Code != "malformed" || got[1].Channel != channel {
			t.Errorf("%s: %+v", bad, got)
		}
		if got := ask("leave", `"first"`, `"last"`); got[0].Error != nil || got[1].Error != nil {
			t.Errorf("%s: leave: %+v", bad, got)
		}
	}
	ask("join", `{"channel":"a"}`, `{"channel":"b"}`)
	got := ask("leave", `"a"`, `5`, `"\ud83d"`, `{"channel":"b"}`, `"b"`)
	for i, wrong := range []bool{false, true, true, true, false} {
		if (got[i].Error != nil) != wrong {
			t.Errorf("leave %d: %+v", i, got[i])
		}
	}
	// Both were left, so joining them at a position is not an error.
	for _, r := range ask("join", `{"channel":"a","last":1}`, `{"channel":"b","last":1}`) {
		if r.Error != nil {
			t.Errorf("joined again: %+v", r)
		}
	}
}

// clause 2.5: 50 malformed requests in a row end the session. Binary messages count.
func TestTooManyMalformedRequests(t *testing.T) {
	_, addr := v2Server(t, overSocket, boreas.Options{}, Options{Heartbeat: 25 * time.Second})
	c := authenticated(t, addr)
	for range 49 {
		c.send("x")
		c.next()
	}
	c.expect(`{"id":1,"ping":{}}`, `text {"id":1,"ping":{}}`)
	for i := range 50 {
		if i%2 == 0 {
			c.write(frame(fin|2, "binary"))
		} else {
			c.send("[]")
		}
		if f := c.next(); !strings.HasPrefix(f, `text {"error":{"code":"malformed"`) {
			t.Fatalf("got %s", f)
		}
	}
	c.expect("", `text {"goodbye":{"error":{"code":"too_many_malformed","message":"The client sent too many malformed requests in a row.","retry":"never","docs":"docs/errors.md#too_many_malformed"}}}`,
		"close 4402 too_many_malformed")
}

// clauses 1.3, 1.4: errors that end the connection, and their close frames.
func TestErrorsThatCloseTheWebSocket(t *testing.T) {
	for name, c := range map[string]struct {
		send []byte
		code string
	}{
		"too big":    {text(strings.Repeat("x", 64<<10+1)), "1009 frame_too_big"},
		"not UTF-8":  {frame(fin|1, "\xff"), "1007 invalid_text"},
		"reserved":   {frame(fin|3, ""), "1002 protocol_error"},
		"unmasked":   {[]byte{fin | 1, 1, 'x'}, "1002 protocol_error"},
		"fragmented": {join(frame(1, "x"), frame(fin|1, "y")), "1002 protocol_error"},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := v2Server(t, overSocket, boreas.Options{}, Options{Heartbeat: 25 * time.Second})
			conn := authenticated(t, addr)
			conn.write(c.send)
			code := strings.Fields(c.code)
			if f := conn.next(); !strings.HasPrefix(f, `text {"goodbye":{"error":{"code":"`+code[1]+`"`) {
				t.Errorf("got %s", f)
			}
			if f := conn.next(); !strings.HasPrefix(f, "close "+code[0]+" ") {
				t.Errorf("got %s", f)
			}
		})
	}
}

// clauses 3.6, 8.6: the ends of sessions.
func TestEndsOfSessions(t *testing.T) {
	for code, c := range map[string]struct {
		act       func(*boreas.Hub)
		reconnect bool
	}{
		"4100 shutting_down": {func(h *boreas.Hub) { go h.Shutdown(context.Background(), 0) }, true},
		"4104 node_isolated": {func(h *boreas.Hub) {
			if err := h.EndSessions(context.Background(), boreas.ErrNodeIsolated, 0); err != nil {
				t.Error(err)
			}
		}, true},
		"4300 token_revoked": {func(h *boreas.Hub) { h.RevokeSessions(func(*access.Grant) bool { return true }, 0) }, true},
		"4401 terminated": {func(h *boreas.Hub) {
			list, _, _ := h.ListSessions("", 1)
			h.EndSession(list[0].ID, boreas.ErrTerminated)
		}, false},
		"4207 history_unavailable": {func(h *boreas.Hub) {
			list, _, _ := h.ListSessions("", 1)
			h.EndSession(list[0].ID, fmt.Errorf("%w: unexpected byte in /data/7.log", boreas.ErrUnreadable))
		}, true},
		"1011 internal": {func(h *boreas.Hub) {
			list, _, _ := h.ListSessions("", 1)
			h.EndSession(list[0].ID, io.ErrUnexpectedEOF)
		}, true},
	} {
		t.Run(code, func(t *testing.T) {
			hub, addr := v2Server(t, overSocket, boreas.Options{}, Options{Heartbeat: 25 * time.Second})
			conn := authenticated(t, addr)
			c.act(hub)
			f := conn.next()
			if !strings.HasPrefix(f, `text {"goodbye":{"error":{"code":"`+strings.Fields(code)[1]+`"`) || strings.Contains(f, `"reconnect":{"after_ms":`) != c.reconnect {
				t.Errorf("got %s", f)
			}
			if strings.Contains(f, "unexpected") {
				t.Errorf("the close frame reveals internal details: %s", f)
			}
			if got := conn.next(); got != "close "+code {
				t.Errorf("got %s", got)
			}
		})
	}
}

// clauses 3.5, 3.7: without tokens, and with subprotocols.
func TestV2WithoutTokens(t *testing.T) {
	_, addr := v2Server(t, overSocket, boreas.Options{}, Options{NoAuth: true})
	c := wstest.Dial(t, "ws://"+addr+"/v2", wstest.Options{Header: http.Header{"Sec-WebSocket-Protocol": {"boreas.v2, other"}}})
	if got := c.Response.Header.Get("Sec-WebSocket-Protocol"); got != "boreas.v2" {
		t.Errorf("subprotocol %q", got)
	}
	c.Send(`{"id":1,"auth":{"token":"anything"}}`)
	for _, want := range []string{`{"hello":`, `{"id":1,"auth":{"user":"`} {
		if got := c.Read(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s", got)
		}
	}
}

// clause 8.7: the response to a refused handshake contains an error object.
func TestV2RefusedHandshakes(t *testing.T) {
	hub, addr := v2Server(t, overSocket, boreas.Options{MaxSessions: 1}, Options{RetryAfter: 7 * time.Second})
	authenticatedAtDefault(t, addr)
	ask := func(path string, upgrade bool) string {
		req, _ := http.NewRequest("GET", "http://"+addr+path, nil)
		if upgrade {
			for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
				req.Header.Set(k, v)
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		var body struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(b, &body); err != nil || body.Error.Message == "" {
			t.Errorf("body %s: %v", b, err)
		}
		return fmt.Sprint(resp.StatusCode, " ", body.Error.Code, " ", resp.Header.Get("Retry-After"))
	}
	for path, want := range map[string]string{"/v2": "503 overloaded 7", "/v2/": "404 not_found "} {
		if got := ask(path, true); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := ask("/v2", false); got != "426 upgrade_required " {
		t.Errorf("no upgrade: %s", got)
	}
	_ = hub
}

// authenticatedAtDefault is authenticated without a heartbeat.
func authenticatedAtDefault(t *testing.T, addr string) *v2Client {
	t.Helper()
	c := newV2Client(t, addr)
	c.expect("", strings.Replace(v2Hello, `"heartbeat":25`, `"heartbeat":0`, 1))
	return c
}

// clauses 8.1: the server sends heartbeats and pings, and closes a connection that answers no ping.
func TestV2Heartbeat(t *testing.T) {
	_, addr := v2Server(t, overSocket, boreas.Options{PingInterval: 20 * time.Millisecond}, Options{})
	c := authenticatedAtDefault(t, addr)
	c.expect("", "ping ", `text {"heartbeat":{}}`)
	for {
		f := c.next()
		if strings.HasPrefix(f, `text {"goodbye":{"error":{"code":"no_answer"`) {
			break
		}
		if f != "ping " && f != `text {"heartbeat":{}}` {
			t.Fatalf("got %s", f)
		}
	}
	c.want("close 4101 no_answer")
}

// clauses 9.4, 9.5, 9.6: a join and a leave, seen by another; classic sessions count.
func TestV2Presence(t *testing.T) {
	_, addr := v2Server(t, overSocket, boreas.Options{PresenceLinger: time.Hour}, Options{Heartbeat: 25 * time.Second, NoAuth: true})
	watcher := newV2Client(t, addr)
	watcher.expect(`{"id":1,"join":{"channels":[{"channel":"chat.1","presence":true}]}}`, v2Hello)
	watcher.get()
	other := newV2Client(t, addr)
	other.expect(`{"id":1,"join":{"channels":[{"channel":"chat.1","info":"hi"}]}}`, v2Hello, `text {"id":1,"join":{"channels":[{"channel":"chat.1","position":"E-0"}]}}`)
	if f := watcher.get(); !strings.HasPrefix(f, `text {"channel":"chat.1","presence":{"event":"join","user":"`) || !strings.HasSuffix(f, `","info":"hi","users":2,"sessions":2}}`) {
		t.Errorf("got %s", f)
	}
	other.write(closeOf("\x03\xe8")) // closes the connection, so it leaves at once
	if f := watcher.get(); !strings.HasPrefix(f, `text {"channel":"chat.1","presence":{"event":"leave","user":"`) || !strings.HasSuffix(f, `","users":1,"sessions":1}}`) {
		t.Errorf("got %s", f)
	}
}

// clause 7.2: a page has at most about 256 KiB for every limit, and the next page continues.
func TestPagesAreBounded(t *testing.T) {
	hub, addr := v2Server(t, overSocket, boreas.Options{}, Options{Heartbeat: 25 * time.Second})
	c := authenticated(t, addr)
	for range 7 {
		publish(t, hub, "news", `"`+strings.Repeat("x", 100_000)+`"`)
	}
	var sizes []int
	since := ""
	for more := true; more; {
		request := `{"id":1,"history":{"channel":"news","limit":1000}}`
		if since != "" {
			request = `{"id":1,"history":{"channel":"news","limit":1000,"since":"` + since + `"}}`
		}
		c.send(request)
		var reply struct {
			History struct {
				Messages []any
				Position string
				More     bool
			}
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(c.next(), "text ")), &reply); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(reply.History.Messages))
		since, more = reply.History.Position, reply.History.More
	}
	if diff := cmp.Diff([]int{3, 3, 1}, sizes); diff != "" {
		t.Error(diff)
	}
}

// The parts of a request that the server keeps must survive the reuse of its buffer.
func TestRequestPartsSurviveTheBuffer(t *testing.T) {
	_, addr := v2Server(t, overSocket, boreas.Options{}, Options{Heartbeat: 25 * time.Second})
	c := authenticated(t, addr)
	c.expect(`{"id":1,"join":{"channels":[{"channel":"chat.1","info":"kept as it is"}]}}`, `text {"id":1,"join":{"channels":[{"channel":"chat.1","position":"E-0"}]}}`)
	c.expect(`{"id":2,"publish":{"channel":"chat.1","message":"kept as it is, too","echo":false}}`, `text {"id":2,"publish":{"position":"E-1"}}`)
	for range 100 {
		c.send(`{"ping":{}}` + strings.Repeat(" ", 1000))
	}
	c.expect(`{"id":3,"presence":{"channel":"chat.1"}}`, `text {"id":3,"presence":{"channel":"chat.1","users":1,"sessions":1,"members":[{"user":"user","sessions":["s_1"],"info":"kept as it is"}]}}`)
	c.expect(`{"id":4,"history":{"channel":"chat.1"}}`, `text {"id":4,"history":{"channel":"chat.1","messages":[{"message":"kept as it is, too","position":"E-1"}],"position":"E-1","more":false}}`)
}
