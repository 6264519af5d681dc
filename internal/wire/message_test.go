package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

func TestParseMessage(t *testing.T) {
	for text, want := range map[string]string{ // clause 1.7
		`null`:                        `null`,
		" \t{\"n\": 1.0}  ":           `{"n": 1.0}`,
		`12345678901234567890`:        `12345678901234567890`,
		"{\"a\": [1,\n 2], \"b\" :3}": `{"a":[1,2],"b":3}`,
		"\n\"a b\"\r\n":               `"a b"`,
	} {
		got, err := wire.ParseMessage([]byte(text))
		if err != nil || string(got) != want || cap(got) != len(got) {
			t.Errorf("%q: got %q (capacity %d), %v, want %q", text, got, cap(got), err, want)
		}
	}
	for text, want := range map[string]string{
		"":                         "it is empty",
		" \n":                      "it is empty",
		"hello":                    "not JSON: invalid character 'h' looking for beginning of value, at byte 1",
		`{"a": 1} x`:               "not JSON: invalid character 'x' after top-level value, at byte 10",
		`{"a": `:                   "not JSON: unexpected end of JSON input, at byte 6",
		"\"\xff\"":                 "not UTF-8",
		strings.Repeat("[", 1<<20): "nested too deeply",
	} {
		got, err := wire.ParseMessage([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%.40q: got %q, %v, want the error %q", text, got, err, want)
		}
	}
}

func TestParseMessageDoesNotCopy(t *testing.T) {
	body := []byte(` {"text": "Hello", "id": 1} `)
	got, err := wire.ParseMessage(body)
	if err != nil || &got[0] != &body[1] {
		t.Errorf("got a copy %q, %v, want a slice of the text", got, err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = wire.ParseMessage(body) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestParseBatch(t *testing.T) {
	type item struct{ Channel, Message, Key, Err string }
	for body, want := range map[string][]item{
		`{"messages": []}`: nil,
		` {"messages" : [ {"channel":"a","message": {"n": 1.0} } , {"key":"k\u0031","message":null,"channel":"b/\u00f3"} ] } `: {
			{"a", `{"n": 1.0}`, "", ""},
			{"b/ó", "null", "k1", ""},
		},
		"{\"messages\": [{\"channel\": \"a\", \"message\": [1,\n2]}]}": {{"a", "[1,2]", "", ""}},
		`{"messages": [1, {}, {"channel": 1, "message": 1}, {"channel": "\ud800", "message": 1}, {"channel": "a"},
			{"channel": "a", "message": 1, "key": 1}, {"channel": "a", "message": 1, "key": ""},
			{"channel": "a", "message": 1, "Key": "k"}, {"channel": "a", "channel": "b", "message": 1}]}`: {
			{Err: "it is not an object"},
			{Err: "`channel` is required and must be a string"},
			{Err: "`channel` is required and must be a string"},
			{Err: "`channel` is required and must be a string"},
			{Err: "`message` is required"},
			{Err: "`key` must be a string that is not empty"},
			{Err: "`key` must be a string that is not empty"},
			{Err: "unknown member \"Key\": an item has `channel`, `message` and `key`"},
			{"b", "1", "", ""},
		},
	} {
		items, err := wire.ParseBatch([]byte(body), 9)
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		var got []item
		for _, i := range items {
			g := item{i.Channel, string(i.Message), i.Key, ""}
			if i.Err != nil {
				g.Err = i.Err.Error()
			}
			got = append(got, g)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func TestParseBatchErrors(t *testing.T) {
	for body, want := range map[string]string{
		"":                              "it is empty",
		`{"messages": [}`:               "not JSON: invalid character '}' looking for beginning of value, at byte 15",
		`[]`:                            "it is not an object",
		`{}`:                            "`messages` is required and must be a list",
		`{"messages": {}}`:              "`messages` is required and must be a list",
		`{"messages": [], "dryrun": 1}`: "unknown member \"dryrun\": the body has `messages` only",
		"{\"messages\": [\"\xff\"]}":    "not UTF-8",
		`{"messages": [1,2,3]}`:         "there are more than 2 messages: send the rest in another request",
	} {
		_, err := wire.ParseBatch([]byte(body), 2)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(" {\"a\": [1,\n 2.50]} "))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		got, err := wire.ParseMessage(text)
		if !bytes.Equal(before, text) {
			t.Fatal("the text was changed")
		}
		valid := utf8.Valid(text) && json.Valid(text)
		if err != nil {
			if valid && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= wire.MaxDepth {
				t.Fatalf("valid JSON is refused: %v", err)
			}
			return
		}
		if !valid {
			t.Fatalf("accepted %q, which is not JSON", text)
		}
		var want, have bytes.Buffer
		if json.Compact(&want, text) != nil || json.Compact(&have, got) != nil || !bytes.Equal(want.Bytes(), have.Bytes()) {
			t.Fatalf("got %q from %q", got, text)
		}
		if bytes.ContainsAny(got, "\r\n") {
			t.Fatalf("%q is more than one line", got)
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"messages": [{"channel": "a", "message": {"b": [1, 2]}, "key": "k"}, 3]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := wire.ParseBatch(body, 100)
		var want struct{ Messages []json.RawMessage }
		if err != nil {
			return
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("accepted %q: %v", body, err)
		}
		if len(items) != len(want.Messages) {
			t.Fatalf("got %d items, want %d", len(items), len(want.Messages))
		}
		for i, item := range items {
			if item.Err != nil {
				continue
			}
			var w struct {
				Channel string
				Message json.RawMessage
				Key     string
			}
			if err := json.Unmarshal(want.Messages[i], &w); err != nil || w.Channel != item.Channel || w.Key != item.Key {
				t.Fatalf("item %d is %+v, want %+v (%v)", i, item, w, err)
			}
		}
	})
}
