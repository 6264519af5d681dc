package wire_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// goldenRequest is a row of testdata/classic_requests.json: a client's frame and its meaning.
// Without token, join and leave the frame is not a request.
type goldenRequest struct {
	Name     string   `json:"name"`
	Frame    string   `json:"frame"`
	FrameHex string   `json:"frame_hex"` // for frames that are not UTF-8
	Token    *string  `json:"token"`
	Join     []string `json:"join"`
	Leave    []string `json:"leave"`
	Skipped  int      `json:"skipped"`
}

// goldenBroadcast is a row of testdata/classic_broadcasts.json: the body of a broadcast and its
// meaning.
type goldenBroadcast struct {
	Name    string `json:"name"`
	Body    string `json:"body"`
	BodyHex string `json:"body_hex"` // for bodies that are not UTF-8
	Payload string `json:"payload"`
	DryRun  bool   `json:"dryrun"`
	Error   string `json:"error"`
}

// goldenMessage is a row of testdata/classic_messages.json: a publication and its frame.
type goldenMessage struct {
	Channel string `json:"channel"`
	Payload string `json:"payload"`
	Frame   string `json:"frame"`
}

func TestGoldenRequests(t *testing.T) {
	for _, g := range golden[goldenRequest](t, "classic_requests.json") {
		want := wire.Request{Join: g.Join, Leave: g.Leave, Skipped: g.Skipped}
		switch {
		case g.Token != nil:
			want.Kind, want.Token = wire.Authenticate, *g.Token
		case g.Join != nil:
			want.Kind = wire.Subscribe
		}
		got := wire.ParseClassicRequest(text(t, g.Frame, g.FrameHex))
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", g.Name, diff)
		}
	}
}

func TestGoldenBroadcasts(t *testing.T) {
	for _, g := range golden[goldenBroadcast](t, "classic_broadcasts.json") {
		body := text(t, g.Body, g.BodyHex)
		want := goldenBroadcast{g.Name, g.Body, g.BodyHex, g.Payload, g.DryRun, g.Error}
		got := goldenBroadcast{Name: g.Name, Body: g.Body, BodyHex: g.BodyHex}
		payload, dryrun, err := wire.ParseBroadcast(body)
		got.Payload, got.DryRun = string(payload), dryrun
		if err != nil {
			got.Error = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", g.Name, diff)
		}
	}
}

func TestGoldenMessages(t *testing.T) {
	for _, g := range golden[goldenMessage](t, "classic_messages.json") {
		got := string(wire.AppendClassicMessage(nil, g.Channel, []byte(g.Payload)))
		if diff := cmp.Diff(g.Frame, got); diff != "" {
			t.Errorf("on %q (-want +got):\n%s", g.Channel, diff)
		}
	}
}

// golden returns the rows of a file in testdata.
func golden[T any](t testing.TB, file string) []T {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var rows []T
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatalf("testdata/%s: %v", file, err)
	}
	if len(rows) == 0 {
		t.Fatalf("testdata/%s is empty", file)
	}
	return rows
}

// text returns the bytes of a row, which has them as text or in hexadecimal digits.
func text(t testing.TB, s, digits string) []byte {
	t.Helper()
	if digits == "" {
		return []byte(s)
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
