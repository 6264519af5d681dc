package wire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

func TestAppendClassicMessageDoesNotAllocate(t *testing.T) {
	buf, payload := make([]byte, 0, 1024), []byte(`{"text":"hello"}`)
	allocs := testing.AllocsPerRun(100, func() { buf = wire.AppendClassicMessage(buf[:0], `quo"te`, payload) })
	if allocs != 0 {
		t.Errorf("got %v allocations, want 0", allocs)
	}
}

func TestParseClassicRequestCopies(t *testing.T) {
	frame := []byte(`{"channels": {"join": ["chat"], "leave": []}}`)
	got := wire.ParseClassicRequest(frame)
	clear(frame)
	want := wire.Request{Kind: wire.Subscribe, Join: []string{"chat"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request after its frame was overwritten (-want +got):\n%s", diff)
	}
}

func TestParseClassicRequestAllocations(t *testing.T) {
	for frame, most := range map[string]float64{
		`{"access_token": "` + strings.Repeat("t", 139) + `"}`: 1,
		`{"channels": {"join": ["ch1", "ch2"], "leave": []}}`:  4,
		`{"something": "else"}`:                                0,
		strings.Repeat("[", 64<<10):                            0,
	} {
		b := []byte(frame)
		if got := testing.AllocsPerRun(100, func() { wire.ParseClassicRequest(b) }); got > most {
			t.Errorf("%.40s: got %v allocations, want at most %v", frame, got, most)
		}
	}
}

func BenchmarkAppendClassicMessage(b *testing.B) {
	payload, _ := json.Marshal(strings.Repeat("x", 98))
	buf := make([]byte, 0, 1024)
	b.SetBytes(int64(len(wire.AppendClassicMessage(nil, "room-1234", payload))))
	for b.Loop() {
		buf = wire.AppendClassicMessage(buf[:0], "room-1234", payload)
	}
}

func BenchmarkParseClassicRequest(b *testing.B) {
	for name, frame := range map[string]string{
		"token":   `{"access_token": "` + strings.Repeat("t", 139) + `"}`,
		"join":    `{"channels": {"join": ["ch1", "ch2"], "leave": []}}`,
		"nesting": strings.Repeat("[", 64<<10),
	} {
		b.Run(name, func(b *testing.B) {
			bytes := []byte(frame)
			b.ReportAllocs()
			for b.Loop() {
				wire.ParseClassicRequest(bytes)
			}
		})
	}
}
