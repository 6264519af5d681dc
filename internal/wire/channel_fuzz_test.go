package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// FuzzChannelName checks that each valid channel name survives both classic forms: a client's
// request to join, and a message.
func FuzzChannelName(f *testing.F) {
	for _, g := range golden[goldenMessage](f, "classic_messages.json") {
		f.Add(g.Channel)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if access.ValidChannel(name) != nil {
			return
		}
		frame := wire.AppendClassicMessage(nil, name, []byte(`[1]`))
		var message struct {
			Message json.RawMessage `json:"message"`
			Channel string          `json:"channel"`
		}
		if err := json.Unmarshal(frame, &message); err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		if message.Channel != name || string(message.Message) != `[1]` {
			t.Fatalf("%s: got message %s on %q, want [1] on %q", frame, message.Message, message.Channel, name)
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		r := wire.ParseClassicRequest([]byte(`{"channels": {"join": [` + string(quoted) + `], "leave": []}}`))
		if len(r.Join) != 1 || r.Join[0] != name {
			t.Fatalf("joining %s: got %q", quoted, r.Join)
		}
	})
}
