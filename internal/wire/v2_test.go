package wire_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// v2Publish is a typical request of a web page. It has 150 bytes.
const v2Publish = `{"id":1234,"publish":{"channel":"room-1234","message":{"from":"alice","text":"Hello, everyone! How are you today?","at":"2026-11-20T20:07:39Z"},"echo":false}}`

// clause 1.7
func TestParseV2DoesNotCopy(t *testing.T) {
	text := []byte(v2Publish)
	r, err := wire.ParseV2(text)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, r.Message)
	if at < 0 || &text[at] != &r.Message[0] {
		t.Errorf("message %s is a copy, want a slice of the text", r.Message)
	}
	for name, v := range map[string][]byte{"message": r.Message, "id": r.ID} {
		if cap(v) != len(v) {
			t.Errorf("%s has capacity %d beyond its %d bytes: appending to it would write into the text", name, cap(v), len(v))
		}
	}
}

func TestParseV2Copies(t *testing.T) {
	text := []byte(`{"join":{"channels":[{"channel":"chat","since":"1-2"}]}}`)
	got, err := wire.ParseV2(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	want := wire.V2Request{Kind: wire.V2Join, Join: []wire.V2Channel{{Channel: "chat", Since: "1-2", HasSince: true}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request after its text was overwritten (-want +got):\n%s", diff)
	}
}

func TestParseV2Allocations(t *testing.T) {
	for text, most := range map[string]float64{
		v2Publish: 1, // the channel
		`{"id":1,"publish":{"channel":"a b","message":1,"key":"k 1"}}`:            2,
		`{"id":1,"auth":{"token":"` + strings.Repeat("t", 139) + `"}}`:            1,
		`{"id":1,"join":{"channels":[{"channel":"ch1"}]}}`:                        2, // and the list
		`{"id":"\u0061","ping":{}}`:                                               0,
		`{"id":1,"history":{"channel":"ch1","since":"k3f9x0q2a-2s","limit":100}}`: 2,
		strings.Repeat("[", 64<<10):                                               0,
		"{" + strings.Repeat(`"a":{`, 10<<10):                                     0,
	} {
		b := []byte(text)
		if got := testing.AllocsPerRun(100, func() { _, _ = wire.ParseV2(b) }); got > most {
			t.Errorf("%.40s: got %v allocations, want at most %v", text, got, most)
		}
	}
}

func TestParseV2Depth(t *testing.T) {
	request := func(levels int) []byte {
		return []byte(`{"id":5,"publish":{"channel":"a","message":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}}`)
	}
	if _, err := wire.ParseV2(request(wire.MaxDepth)); err != nil {
		t.Errorf("%d levels: got %q, want no error", wire.MaxDepth, err)
	}
	r, err := wire.ParseV2(request(wire.MaxDepth + 1))
	if err != wire.ErrV2Depth || string(r.ID) != "5" {
		t.Errorf("%d levels: got id %s and %v, want id 5 and %q", wire.MaxDepth+1, r.ID, err, wire.ErrV2Depth)
	}
	for _, opening := range []string{"[", `{"a":`, `{"publish":`, `{"join":{"channels":[`} {
		hostile := []byte(strings.Repeat(opening, 1<<20/len(opening)))
		if _, err := wire.ParseV2(hostile); err != wire.ErrV2Depth {
			t.Errorf("1 MiB of %s: got %v, want %q", opening, err, wire.ErrV2Depth)
		}
	}
}

// clause 1.4: the transport ends the session for this error. A caller that does not check gets an
// error.
func TestParseV2RefusesInvalidUTF8(t *testing.T) {
	if _, err := wire.ParseV2([]byte("{\"id\":1,\"ping\":{\"a\":\"\xff\"}}")); err != wire.ErrV2UTF8 {
		t.Errorf("got %v, want %q", err, wire.ErrV2UTF8)
	}
}

func TestAppendV2DoesNotAllocate(t *testing.T) {
	buf, id, at := make([]byte, 0, 1024), []byte("1234"), []byte("k3f9x0q2a-2s")
	fault := wire.V2Fault{Code: "internal", Message: "The server failed.", Retry: "later", RetryAfterMS: 1000, Oldest: at}
	joined := wire.V2Joined{Channel: "chat", Position: at, HasRecovered: true, Reason: "slow", From: at, To: at, Oldest: at, Presence: []byte("{}")}
	payload := []byte(`{"text":"hello"}`)
	for name, f := range map[string]func(dst []byte) []byte{
		"message":  func(dst []byte) []byte { return append(wire.AppendV2Open(dst, `quo"te`, payload), wire.V2Close...) },
		"gap":      func(dst []byte) []byte { return wire.AppendV2Gap(dst, "chat", "slow", at, at) },
		"presence": func(dst []byte) []byte { return wire.AppendV2Presence(dst, "chat", payload) },
		"goodbye":  func(dst []byte) []byte { return wire.AppendV2Goodbye(dst, &fault, 1840) },
		"error":    func(dst []byte) []byte { return wire.AppendV2Error(dst, id, &fault) },
		"join": func(dst []byte) []byte {
			return wire.AppendV2JoinClose(wire.AppendV2Joined(wire.AppendV2JoinOpen(dst, id), &joined))
		},
		"publish": func(dst []byte) []byte { return wire.AppendV2Published(dst, id, at, true) },
		"history": func(dst []byte) []byte {
			dst = wire.AppendV2HistoryMessage(wire.AppendV2HistoryOpen(dst, id, "chat"), payload, at, time.Unix(0, 1))
			return wire.AppendV2HistoryClose(dst, at, false)
		},
		"auth": func(dst []byte) []byte { return wire.AppendV2Auth(dst, id, "u1", "") },
		"ping": func(dst []byte) []byte { return wire.AppendV2Pong(dst, id) },
	} {
		if got := testing.AllocsPerRun(100, func() { buf = f(buf[:0]) }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

// clauses 8.3, 10.3, 10.4: an object that the WebSocket sends under a member is the whole data of
// an event.
func TestAppendV2ForEvents(t *testing.T) {
	got := string(wire.AppendV2JoinedClose(wire.AppendV2Joined(wire.AppendV2JoinedOpen(nil), &wire.V2Joined{Channel: "chat", Position: []byte("1-2")}), 25))
	if want := `{"channels":[{"channel":"chat","position":"1-2"}],"heartbeat":25}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	fault := wire.V2Fault{Code: "slow", Message: "M.", Retry: "later"}
	got = string(wire.AppendV2GoodbyeBody(nil, &fault, 7))
	if want := `{"error":{"code":"slow","message":"M.","retry":"later"},"reconnect":{"after_ms":7}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkParseV2(b *testing.B) {
	for name, text := range map[string]string{
		"publish": v2Publish,
		"large":   `{"id":1,"publish":{"channel":"a","message":"` + strings.Repeat("text ", 12_000) + `"}}`,
		"join":    `{"id":1,"join":{"channels":[{"channel":"chat","since":"k3f9x0q2a-2s"},{"channel":"news","last":10}]}}`,
		"ping":    `{"id":7,"ping":{}}`,
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.ParseV2(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendV2Message(b *testing.B) {
	payload := []byte(`"` + strings.Repeat("x", 98) + `"`)
	buf, at := make([]byte, 0, 1024), []byte("k3f9x0q2a-2s")
	b.ReportAllocs()
	for b.Loop() {
		buf = append(append(wire.AppendV2Open(buf[:0], "room-1234", payload), at...), wire.V2Close...)
	}
	b.SetBytes(int64(len(buf)))
}

// TestParseV2BoundsWrongEntries: the reply has an error for each malformed entry. If there are too
// many, the whole request is refused.
func TestParseV2BoundsWrongEntries(t *testing.T) {
	for _, c := range []struct{ kind, entry string }{{"join", "{}"}, {"join", "0"}, {"leave", "0"}, {"leave", `"\ud83d"`}} {
		for n, whole := range map[int]bool{wire.MaxV2Bad: false, wire.MaxV2Bad + 1: true, 20_000: true} {
			text := fmt.Sprintf(`{"id":7,%q:{"channels":[%s]}}`, c.kind, strings.TrimSuffix(strings.Repeat(c.entry+",", n), ","))
			r, err := wire.ParseV2([]byte(text))
			if (err != nil) != whole || string(r.ID) != "7" {
				t.Errorf("%d times %s in a %s: id %s, %v", n, c.entry, c.kind, r.ID, err)
			}
		}
	}
}
