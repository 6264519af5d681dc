package sse

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

func TestIDs(t *testing.T) {
	names := []string{"a", "b", "c"}
	check := checkOf(names)
	places := []engine.Position{{Epoch: 1 << 60, Offset: 77}, {}, {Epoch: 3}}
	id := idOf(names, places...)
	// CHECK must never change, because browsers reconnect with ids of the previous version.
	if want := "1cb8by5.1000000000000-2d,,3-0"; id != want {
		t.Errorf("the id is %s, want %s", id, want)
	}
	got, err := parseID(id, check, len(names))
	if diff := cmp.Diff(places, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range []string{
		"", ".", ",,", "1cb8by5", "1cb8by5.", "1cb8by5.,", "1cb8by5.,,,", "1CB8BY5.,,", "1cb8by6.,,", "01cb8by5.,,",
		"1cb8by5.1,,", "1cb8by5.0-0,,", "1cb8by5.01-1,,", "1cb8by5. 1-1,,", "1cb8by5.1-1,, ", "1cb8by5.-1-1,,", "1cb8by5.\x00,,",
	} {
		if got, err := parseID(bad, check, len(names)); err == nil {
			t.Errorf("%q was parsed as %v", bad, got)
		}
	}
}

// CHECK depends on the channels and their order.
func TestChecks(t *testing.T) {
	seen := map[uint32][]string{}
	for _, names := range [][]string{{"a"}, {"b"}, {"a", "b"}, {"b", "a"}, {"ab"}, {"a", "b", "c"}, {"ab", "c"}, {"a", "bc"}, {""}, {"", ""}} {
		if other, found := seen[checkOf(names)]; found {
			t.Errorf("%q and %q have the same check", names, other)
		}
		seen[checkOf(names)] = names
	}
}

// Data cannot end its line. Otherwise the sender of the data could forge the rest of the stream.
func TestLineBreaksInData(t *testing.T) {
	p := &engine.Publication{Offset: 1, Data: []byte("{\n\"a\":\r\n1}\r")}
	f := single{}
	want := "id: 0.2-1\ndata: {\"channel\":\"a\",\"message\":{ \"a\":  1} ,\"position\":\"2-1\"}\n\n"
	if diff := cmp.Diff(want, string(f.AppendPublication(nil, "a", 2, p))); diff != "" {
		t.Error(diff)
	}
	if string(p.Data) != "{\n\"a\":\r\n1}\r" {
		t.Error("the publication was changed")
	}
}

// All streams of one channel share the encoded events.
func TestStreamsOfAChannelShareAFormat(t *testing.T) {
	format := func(query string) boreas.Format {
		r, err := parseRequest(httptest.NewRequest("GET", Path+query, nil))
		if err != nil {
			t.Fatal(err)
		}
		h := &handler{compression: &compression{}}
		s := stream{h: h, request: r}
		return s.format()
	}
	if format("?channel=a") != format("?channel=a&last=3&channel=a") {
		t.Error("two streams of the same channel have different formats")
	}
	if format("?channel=a") == format("?channel=b") {
		t.Error("streams of different channels have the same format")
	}
	if _, personal := format("?channel=a&channel=b").(boreas.SessionFormat); !personal {
		t.Error("a stream of two channels does not track both positions")
	}
}

// Between batches, the positions of a stream of several channels are not known. A wrong id would
// lose messages. Without an id, the client only receives some again.
func TestNoIDInsteadOfAWrongOne(t *testing.T) {
	f := &several{check: 1, channels: []string{"a", "b"}}
	got := string(f.AppendGap(nil, "a", boreas.Gap{Reason: boreas.GapSlow}))
	if strings.Contains(got, "id:") {
		t.Errorf("got %q", got)
	}
}

// clause 10.5
func FuzzLastEventID(f *testing.F) {
	f.Add("1cb8by5.1000000000000-2d,,3-0", uint8(3))
	f.Add("1.,", uint8(2))
	f.Fuzz(func(t *testing.T, id string, n uint8) {
		names := make([]string, int(n)+1)
		check := checkOf(names)
		places, err := parseID(id, check, len(names))
		if err != nil {
			if fault.Of(err) != fault.BadPosition {
				t.Errorf("%q: %v", id, err)
			}
			return
		}
		if again := idOf(names, places...); again != id {
			t.Errorf("%q was parsed, but is written as %q", id, again)
		}
	})
}

// clauses 10.1, 10.5, 10.6
func FuzzQuery(f *testing.F) {
	f.Add("channel=a&channel=b%20c&last=3&presence=true&since.a=1-1", "")
	f.Add("channel=a&last_event_id=1.2-3&access_token=x", "1.1-1")
	f.Add("channel=%ff&since.%ff=0-0", "")
	f.Fuzz(func(t *testing.T, query, id string) {
		r := httptest.NewRequest("GET", Path, nil)
		r.URL.RawQuery = query
		r.Header.Set("Last-Event-ID", id)
		q, err := parseRequest(r)
		if err != nil {
			if f := fault.Of(err); f == fault.Internal || f.Status != 400 {
				t.Errorf("%v", err)
			}
			return
		}
		if len(q.joins) == 0 || len(q.joins) > maxChannels {
			t.Fatalf("%d channels", len(q.joins))
		}
		seen := map[string]bool{}
		results := make([]boreas.Joined, len(q.joins))
		for i, j := range q.joins {
			if seen[j.Channel] || j.Last < 0 || j.Err != nil && !j.Since.IsZero() {
				t.Errorf("%+v", j)
			}
			seen[j.Channel] = true
			results[i].Err = access.ValidChannel(j.Channel)
			if results[i].Err == nil {
				results[i].Position = engine.Position{Epoch: 1, Offset: 1}
			}
		}
		// For any names, the result is one event, and parseID accepts its id.
		answer := string(q.appendJoined(nil, results, 0))
		lines := strings.Split(answer, "\n")
		if len(lines) != 5 || strings.ContainsAny(answer, "\r\x00") {
			t.Errorf("the answer is %q", answer)
		}
		if _, err := parseID(strings.TrimPrefix(lines[0], "id: "), q.check, len(q.joins)); err != nil {
			t.Errorf("%s: %v", lines[0], err)
		}
	})
}
