package wire_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// FuzzParseV2 compares ParseV2 with encoding/json: it accepts only JSON, an accepted text has
// the same meaning after it is marshalled again, and each id can be sent back.
func FuzzParseV2(f *testing.F) {
	for _, file := range []string{"requests.json", "entries.json", "malformed.json"} {
		rows, _ := v2Rows[json.RawMessage](f, file, "client")
		for _, row := range rows {
			f.Add([]byte(row.Text))
		}
	}
	f.Add([]byte(`{"id":1,"publish":{"channel":"a","message":` + strings.Repeat("[", 2*wire.MaxDepth)))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		r, err := wire.ParseV2(text)
		if !bytes.Equal(before, text) {
			t.Fatal("the text was changed")
		}
		if r.ID != nil {
			if !json.Valid(r.ID) || bytes.ContainsAny(r.ID, "\r\n") || cap(r.ID) != len(r.ID) {
				t.Fatalf("%q cannot be an id", r.ID)
			}
			if reply := wire.AppendV2Pong(nil, r.ID); !json.Valid(reply) {
				t.Fatalf("%s is not JSON", reply)
			}
		}
		valid := utf8.Valid(text) && json.Valid(text)
		if err != nil {
			if _, ok := err.(wire.V2Error); !ok {
				t.Fatalf("%v is a %T", err, err)
			}
			if !reflect.DeepEqual(r, wire.V2Request{ID: r.ID}) {
				t.Fatalf("%v, with the request %+v", err, r)
			}
			if (err == wire.ErrV2JSON || err == wire.ErrV2UTF8) && valid {
				t.Fatalf("%v, but the text is valid", err)
			}
			return
		}
		if !valid {
			t.Fatalf("got %+v from invalid JSON", r)
		}
		for _, v := range append([][]byte{r.Message}, infos(r)...) {
			if v != nil && (!json.Valid(v) || bytes.ContainsAny(v, "\r\n") || cap(v) != len(v)) {
				t.Fatalf("%q is not one JSON text on one line", v)
			}
		}
		if hasBad(r) {
			return // the entry was not read
		}
		anew := encodeV2(r)
		again, err := wire.ParseV2(anew)
		if err != nil {
			t.Fatalf("%s: %v", anew, err)
		}
		if diff := cmp.Diff(r, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s (-first +again):\n%s", anew, diff)
		}
	})
}

// hasBad reports whether an entry is malformed.
func hasBad(r wire.V2Request) bool {
	return slices.ContainsFunc(r.Join, func(c wire.V2Channel) bool { return c.Bad != "" }) ||
		slices.ContainsFunc(r.Leave, func(n wire.V2Name) bool { return n.Bad != "" })
}

func infos(r wire.V2Request) (all [][]byte) {
	for _, c := range r.Join {
		all = append(all, c.Info)
	}
	return all
}

// encodeV2 encodes a request as a client would.
func encodeV2(r wire.V2Request) []byte {
	body := make(map[string]any)
	give := func(name string, v any, given bool) {
		if given {
			body[name] = v
		}
	}
	give("token", r.Token, r.Kind == wire.V2Auth)
	var leave []string
	for _, n := range r.Leave {
		leave = append(leave, n.Channel)
	}
	give("channels", leave, leave != nil)
	give("channel", r.Channel, r.Kind == wire.V2Publish || r.Kind == wire.V2History || r.Kind == wire.V2Presence)
	give("key", r.Key, r.HasKey)
	give("echo", r.Echo, r.Kind == wire.V2Publish)
	give("since", r.Since, r.HasSince)
	give("before", r.Before, r.HasBefore)
	give("limit", r.Limit, r.Limit != 0)
	give("last", r.Last, r.Last != 0)
	give("times", r.Times, r.Times)
	if r.Kind == wire.V2Leave && r.Leave == nil {
		body["channels"] = []string{}
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	// JSON values of the request are copied unchanged: encoding/json would reformat them.
	b = b[:len(b)-1]
	member := func(name string, v []byte) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(b, `"`+name+`":`...), v...)
	}
	if r.Message != nil {
		member("message", r.Message)
	}
	if r.Join != nil {
		list := []byte{'['}
		for i, c := range r.Join {
			if i > 0 {
				list = append(list, ',')
			}
			list = append(list, encodeV2Channel(c)...)
		}
		member("channels", append(list, ']'))
	}
	out := []byte{'{'}
	if r.ID != nil {
		out = append(append(append(out, `"id":`...), r.ID...), ',')
	}
	out = append(out, `"`+r.Kind.String()+`":`...)
	return append(append(out, b...), "}}"...)
}

func encodeV2Channel(c wire.V2Channel) []byte {
	name, err := json.Marshal(c.Channel)
	if err != nil {
		panic(err)
	}
	b := append([]byte(`{"channel":`), name...)
	if c.HasSince {
		since, err := json.Marshal(c.Since)
		if err != nil {
			panic(err)
		}
		b = append(append(b, `,"since":`...), since...)
	}
	if c.HasLast {
		b = strconv.AppendInt(append(b, `,"last":`...), int64(c.Last), 10)
	}
	if c.Presence {
		b = append(b, `,"presence":true`...)
	}
	if c.Info != nil {
		b = append(append(b, `,"info":`...), c.Info...)
	}
	return append(b, '}')
}

// FuzzAppendV2 checks that the server's messages are valid JSON for all names and texts.
func FuzzAppendV2(f *testing.F) {
	f.Add("chat", "It's \"here\".\n")
	f.Add("a \"b\" \\ żółw 🐢", "\x00\x1f\x7f")
	f.Fuzz(func(t *testing.T, channel, text string) {
		if !utf8.ValidString(channel) || !utf8.ValidString(text) {
			return
		}
		const position = "k3f9x0q2a-2s"
		message, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		frame := append(wire.AppendV2Open(nil, channel, message), position+wire.V2Close...)
		var got struct{ Channel, Message, Position string }
		if err := json.Unmarshal(frame, &got); err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		if got.Channel != channel || got.Message != text || got.Position != position {
			t.Fatalf("%s: got %+v, want %q on %q", frame, got, text, channel)
		}
		fault := wire.V2Fault{Code: "internal", Message: text, Retry: "never", Docs: channel}
		joined := wire.AppendV2JoinOpen(nil, []byte("1"))
		joined = wire.AppendV2Joined(joined, &wire.V2Joined{Channel: channel, Fault: &fault})
		joined = wire.AppendV2Joined(joined, &wire.V2Joined{Channel: channel, HasRecovered: true, Presence: []byte("{}")})
		for _, out := range [][]byte{
			wire.AppendV2JoinClose(joined),
			wire.AppendV2Gap(nil, channel, "slow", nil, nil),
			wire.AppendV2Presence(nil, channel, message),
			wire.AppendV2Goodbye(nil, &fault, 1),
			wire.AppendV2Auth(nil, nil, text, ""),
			wire.AppendV2Left(nil, nil, []wire.V2Left{{Channel: channel}, {Channel: text, Fault: &fault}}),
			wire.AppendV2HistoryClose(wire.AppendV2HistoryOpen(nil, nil, channel), nil, true),
			wire.AppendV2PresenceReply(nil, nil, channel, []byte(`{"users":0}`)),
		} {
			if !json.Valid(out) {
				t.Fatalf("%s is not JSON", out)
			}
		}
	})
}
