package client

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An example is an entry of internal/wire/testdata/v2; see the README there.
type example struct {
	Name  string
	Text  string
	Means json.RawMessage
}

func examples(t *testing.T, file string) []example {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "internal", "wire", "testdata", "v2", file))
	if err != nil {
		t.Fatal(err)
	}
	var rows []example
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(rows) == 0 {
		t.Fatalf("%s holds no examples", file)
	}
	return rows
}

// plain decodes a JSON text into values that can be compared.
func plain(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// members are the members of a JSON object.
type members map[string]any

// meaning describes a frame as the client understands it, in the form of the examples.
func meaning(t *testing.T, f *frame) members {
	t.Helper()
	switch {
	case f.Hello != nil:
		m := members{"kind": "hello", "protocol": f.Hello.Protocol, "session": f.Hello.Session, "heartbeat": f.Hello.Heartbeat}
		m["limits"] = members{"frame_bytes": f.Hello.Limits.FrameBytes}
		if f.Hello.User != "" {
			m["user"] = f.Hello.User
		}
		return m
	case f.Expiring != nil:
		return members{"kind": "expiring", "in_ms": f.Expiring.InMS}
	case f.Goodbye != nil:
		m := members{"kind": "goodbye", "error": refusalMeaning(f.Goodbye.Error)}
		if f.Goodbye.Reconnect != nil {
			m["after_ms"] = f.Goodbye.Reconnect.AfterMS
		}
		return m
	case f.ID != nil || f.Error != nil:
		return replyMeaning(t, f)
	case f.Channel == nil:
		return members{"kind": "nothing"}
	}
	e, at, err := f.entry()
	if err != nil {
		t.Fatal(err)
	}
	m := members{"channel": *f.Channel}
	switch event := e.event.(type) {
	case *Message:
		if at != event.Position {
			t.Errorf("the next position is %q, and the message's position is %q", at, event.Position)
		}
		m["kind"], m["message"], m["position"] = "message", event.Data, event.Position
		return m
	case *PresenceChange:
		if at != "" {
			t.Errorf("the next position after presence is %q", at)
		}
		m["kind"], m["event"] = "presence", event
		return m
	}
	if gap, ok := e.err.(*Gap); ok {
		if at != gap.To {
			t.Errorf("the next position is %q, and the gap ends at %q", at, gap.To)
		}
		m["kind"], m["reason"], m["from"], m["to"] = "gap", gap.Reason, gap.From, gap.To
		return m
	}
	return members{"kind": "nothing"}
}

func replyMeaning(t *testing.T, f *frame) members {
	t.Helper()
	m := members{"kind": "reply"}
	if f.ID != nil {
		m["id"] = f.ID
	}
	switch {
	case f.Error != nil:
		m["error"] = refusalMeaning(f.Error)
	case f.Auth != nil:
		m["to"], m["result"] = "auth", members{"user": f.Auth.User}
	case f.Join != nil:
		results := []any{}
		for _, r := range f.Join.Channels {
			result := members{"channel": r.Channel}
			if r.Error != nil {
				result["error"] = refusalMeaning(r.Error)
			} else {
				result["position"] = r.Position
			}
			if r.Gap != nil {
				result["gap"] = r.Gap
			}
			if r.Recovered || r.Gap != nil {
				result["recovered"] = r.Recovered
			}
			if r.Oldest != "" {
				result["oldest"] = r.Oldest
			}
			if r.Presence != nil {
				result["presence"] = presenceMeaning(*r.Presence, "")
			}
			results = append(results, result)
		}
		m["to"], m["result"] = "join", members{"channels": results}
	case f.Publish != nil:
		var ack Ack
		if err := readReply("publish", f.Publish, &ack); err != nil {
			t.Fatal(err)
		}
		m["to"], m["result"] = "publish", ack
	case f.History != nil:
		page, err := readHistory("history", "", f.History)
		if err != nil {
			t.Fatal(err)
		}
		messages := []any{}
		for _, p := range page.Messages {
			message := members{"message": p.Data, "position": p.Position}
			if !p.Time.IsZero() {
				message["time"] = p.Time.Format("2006-01-02T15:04:05.000Z07:00")
			}
			messages = append(messages, message)
		}
		m["to"], m["result"] = "history", members{"messages": messages, "position": page.Position, "more": page.More}
	case f.Presence != nil:
		var state PresenceState
		if err := readReply("presence", f.Presence, &state); err != nil {
			t.Fatal(err)
		}
		m["to"], m["result"] = "presence", presenceMeaning(state, "chat")
	}
	return m
}

func presenceMeaning(p PresenceState, channel string) members {
	m := members{"users": p.Users, "sessions": p.Sessions}
	if channel != "" {
		m["channel"] = channel
	}
	if p.Members != nil {
		m["members"] = p.Members
	}
	return m
}

func refusalMeaning(r *refused) members {
	e := r.as("")
	m := members{"code": e.Code, "message": e.Message, "retry": e.Retry}
	for name, value := range map[string]string{"docs": e.Docs, "oldest": e.Oldest} {
		if value != "" {
			m[name] = value
		}
	}
	if e.RetryAfter != 0 {
		m["retry_after_ms"] = e.RetryAfter.Milliseconds()
	}
	return m
}

// unread removes the parts of an example's meaning that the client does not use.
func unread(v any) any {
	m := v.(map[string]any)
	if limits, ok := m["limits"].(map[string]any); ok {
		m["limits"] = map[string]any{"frame_bytes": limits["frame_bytes"]}
	}
	result, _ := m["result"].(map[string]any)
	switch m["to"] {
	case "auth":
		delete(result, "expires")
	case "history":
		delete(result, "channel") // the channel of the request
	case "leave", "ping": // the client only notes the arrival
		delete(m, "to")
		delete(m, "result")
	}
	switch m["kind"] {
	case "heartbeat":
		m["kind"] = "nothing" // the client only notes the arrival
	case "hello", "expiring":
		delete(m, "expires") // depends on the server's clock, unlike in_ms
	}
	return m
}

// clauses 1.2, 1.7, 2.6
func TestServerFramesAreUnderstood(t *testing.T) {
	for _, file := range []string{"replies.json", "messages.json", "errors.json", "tolerance.json"} {
		for _, row := range examples(t, file) {
			t.Run(file+"/"+row.Name, func(t *testing.T) {
				f, err := parseFrame([]byte(row.Text))
				if err != nil {
					t.Fatal(err)
				}
				got, err := encode(meaning(t, f))
				if err != nil {
					t.Fatal(err)
				}
				want := unread(plain(t, row.Means))
				if row.Name == "a reply to a request that was never made" {
					want = map[string]any{"kind": "reply", "id": json.Number("999999999")} // ignored: no request has this id
				}
				if diff := cmp.Diff(want, plain(t, got)); diff != "" {
					t.Errorf("%s\nis understood as (-want +got):\n%s", row.Text, diff)
				}
			})
		}
	}
}

// made returns a client's request with id 1, encoded as by the Conn.
func made(t *testing.T, kind string, params any) string {
	t.Helper()
	text, err := requestFrame(1, kind, params)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The examples of requests are parsed and then created again by the client. Parts that the client
// cannot request are left out.
func TestRequestsAreAsInTheExamples(t *testing.T) {
	never := map[string]bool{
		"publish with an empty key is for the hub to refuse": true,
		"unknown members are ignored":                        true,
	}
	seen := map[string]int{}
	for _, row := range examples(t, "requests.json") {
		if never[row.Name] {
			continue
		}
		var m struct {
			Kind, Token, Channel, Since, Before, Key string
			Channels                                 json.RawMessage
			Message                                  json.RawMessage
			Limit, Last                              int
			Times                                    bool
			Echo                                     *bool
		}
		if err := json.Unmarshal(row.Means, &m); err != nil {
			t.Fatalf("%s: %v", row.Name, err)
		}
		var got string
		switch m.Kind {
		case "auth":
			got = made(t, "auth", authRequest{m.Token})
		case "join":
			var r joinRequest
			if err := json.Unmarshal(m.Channels, &r.Channels); err != nil {
				t.Fatal(err)
			}
			got = made(t, "join", r)
		case "leave":
			var names []string
			if err := json.Unmarshal(m.Channels, &names); err != nil {
				t.Fatal(err)
			}
			got = made(t, "leave", leaveRequest{names})
		case "publish":
			params, err := publishRequest(m.Channel, m.Message, m.Key, m.Echo != nil && !*m.Echo)
			if err != nil {
				t.Fatal(err)
			}
			got = made(t, "publish", params)
		case "history":
			got = made(t, "history", historyRequest{m.Channel, m.Since, m.Before, m.Limit, m.Last, m.Times})
		case "presence":
			got = made(t, "presence", presenceRequest{m.Channel})
		case "ping":
			got = made(t, "ping", struct{}{})
		default:
			t.Errorf("%s: unknown kind %q", row.Name, m.Kind)
			continue
		}
		if diff := cmp.Diff(asked(t, m.Kind, row.Text), asked(t, m.Kind, got)); diff != "" {
			t.Errorf("%s: asked for (-example +client):\n%s", row.Name, diff)
			continue
		}
		seen[m.Kind]++
	}
	for _, kind := range []string{"auth", "join", "leave", "publish", "history", "presence", "ping"} {
		if seen[kind] == 0 {
			t.Errorf("no example of %q was made", kind)
		}
	}
}

// asked returns the parameters of a request without the default values.
func asked(t *testing.T, kind, text string) any {
	t.Helper()
	params := plain(t, []byte(text)).(map[string]any)[kind].(map[string]any)
	tidy := func(m map[string]any) {
		for name, usual := range map[string]any{"last": json.Number("0"), "presence": false, "echo": true} {
			if m[name] == usual {
				delete(m, name)
			}
		}
	}
	tidy(params)
	if list, ok := params["channels"].([]any); ok {
		for _, c := range list {
			if m, ok := c.(map[string]any); ok {
				tidy(m)
			}
		}
	}
	return params
}
