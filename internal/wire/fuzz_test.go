package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// FuzzBroadcast compares ParseBroadcast with encoding/json: both accept the same texts, with the
// same meaning.
func FuzzBroadcast(f *testing.F) {
	for _, g := range golden[goldenBroadcast](f, "classic_broadcasts.json") {
		f.Add(text(f, g.Body, g.BodyHex))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		payload, _, err := wire.ParseBroadcast(body)
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
		valid := utf8.Valid(body) && json.Valid(body)
		switch err {
		case wire.ErrBodyUTF8:
			if utf8.Valid(body) {
				t.Fatal("ErrBodyUTF8 for valid UTF-8")
			}
			return
		case wire.ErrBodyDepth:
			if bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) <= wire.MaxDepth {
				t.Fatal("ErrBodyDepth for a body that is not too deep")
			}
			return
		case wire.ErrBodyJSON:
			if valid {
				t.Fatal("ErrBodyJSON for valid JSON")
			}
			return
		}
		if !valid {
			t.Fatalf("got %v for invalid JSON", err)
		}
		if trimmed := bytes.TrimSpace(body); (err == wire.ErrBodyNotObject) != (trimmed[0] != '{') {
			t.Fatalf("got %v", err)
		}
		if err != nil {
			return
		}
		if bytes.ContainsAny(payload, "\r\n") {
			t.Fatalf("payload %q has newlines", payload)
		}
		// Of repeated keys the last one counts. lastMember finds it in encoding/json's tokens.
		want := lastMember(t, body, "payload")
		if bytes.ContainsAny(want, "\r\n") {
			var b bytes.Buffer
			if err := json.Compact(&b, want); err != nil {
				t.Fatal(err)
			}
			want = b.Bytes()
		}
		if !bytes.Equal(payload, want) {
			t.Fatalf("got payload %q, want %q", payload, want)
		}
	})
}

// lastMember returns the last member with the name, found with encoding/json's tokens.
func lastMember(t *testing.T, object []byte, name string) []byte {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	var last []byte
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if key == name {
			last = value
		}
	}
	return last
}

// FuzzClassicRequest compares ParseClassicRequest with encoding/json.
func FuzzClassicRequest(f *testing.F) {
	for _, g := range golden[goldenRequest](f, "classic_requests.json") {
		f.Add(text(f, g.Frame, g.FrameHex))
	}
	f.Add([]byte(`{"channels": {"join": [1e999], "leave": [null, ""]}}`))
	f.Add([]byte(strings.Repeat("[", 2*wire.MaxDepth)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		got := wire.ParseClassicRequest(frame)
		for _, s := range append(append([]string{got.Token}, got.Join...), got.Leave...) {
			if !utf8.ValidString(s) {
				t.Fatalf("%q is not UTF-8", s)
			}
		}
		if got.Kind == wire.Nothing {
			if got.Token != "" || got.Join != nil || got.Leave != nil || got.Skipped != 0 {
				t.Fatalf("a request of kind Nothing has content: %+v", got)
			}
		} else if !utf8.Valid(frame) || !json.Valid(frame) {
			t.Fatalf("got %+v from invalid JSON", got)
		}
		if !utf8.Valid(frame) || !json.Valid(frame) || bytes.TrimSpace(frame)[0] != '{' {
			return
		}
		if token := lastMember(t, frame, "access_token"); token != nil {
			if got.Kind == wire.Subscribe {
				t.Fatalf("a message with access_token is parsed as %+v", got)
			}
			var want string
			if err := json.Unmarshal(token, &want); err == nil && got.Kind == wire.Authenticate && got.Token != want {
				t.Fatalf("got token %q, want %q", got.Token, want)
			}
		}
		if got.Kind != wire.Subscribe {
			return
		}
		channels := lastMember(t, frame, "channels")
		entries := 0
		for key, names := range map[string][]string{"join": got.Join, "leave": got.Leave} {
			var list []json.RawMessage
			if err := json.Unmarshal(lastMember(t, channels, key), &list); err != nil {
				t.Fatalf("%s is not a list: %v", key, err)
			}
			entries += len(list)
			for _, entry := range list {
				var name string
				if json.Unmarshal(entry, &name) == nil && len(names) > 0 && name == names[0] {
					names = names[1:]
				}
			}
			if len(names) > 0 {
				t.Fatalf("%s: %q are not in the frame, or not in this order", key, names)
			}
		}
		if all := len(got.Join) + len(got.Leave) + got.Skipped; all != entries {
			t.Fatalf("%d of %d entries are accounted for", all, entries)
		}
	})
}
