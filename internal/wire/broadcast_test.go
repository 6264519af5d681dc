package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// chatBody is a typical broadcast of a chat room's backend. It has 150 bytes.
const chatBody = `{"dryrun": false, "payload": {"id": 1234567890123456789, "from": "alice", "text": "Hello, everyone! How are you today?", "at": "2013-02-20T20:07:39Z"}}`

func TestParseBroadcastDoesNotCopy(t *testing.T) {
	body := []byte(chatBody)
	payload, _, err := wire.ParseBroadcast(body)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(body, payload)
	if at < 0 || &body[at] != &payload[0] {
		t.Errorf("payload %s is a copy, want a slice of the body", payload)
	}
	if cap(payload) != len(payload) {
		t.Errorf("payload has capacity %d beyond its %d bytes: appending to it would write into the body", cap(payload), len(payload))
	}
	if got := testing.AllocsPerRun(100, func() { _, _, _ = wire.ParseBroadcast(body) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func TestParseBroadcastDepth(t *testing.T) {
	nested := func(levels int) []byte {
		return []byte(`{"payload": ` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}`)
	}
	if _, _, err := wire.ParseBroadcast(nested(wire.MaxDepth)); err != nil {
		t.Errorf("%d levels: got %q, want no error", wire.MaxDepth, err)
	}
	if _, _, err := wire.ParseBroadcast(nested(wire.MaxDepth + 1)); err != wire.ErrBodyDepth {
		t.Errorf("%d levels: got %v, want %q", wire.MaxDepth+1, err, wire.ErrBodyDepth)
	}
	for _, opening := range []string{"[", `{"a":`, `[{"a":`} {
		hostile := []byte(strings.Repeat(opening, 1<<20/len(opening)))
		if _, _, err := wire.ParseBroadcast(hostile); err != wire.ErrBodyDepth {
			t.Errorf("1 MiB of %s: got %v, want %q", opening, err, wire.ErrBodyDepth)
		}
	}
}

func BenchmarkParseBroadcast(b *testing.B) {
	body := []byte(chatBody)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := wire.ParseBroadcast(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseBroadcastLarge(b *testing.B) {
	body := []byte(`{"payload": "` + strings.Repeat("text ", 200_000) + `"}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, err := wire.ParseBroadcast(body); err != nil {
			b.Fatal(err)
		}
	}
}
