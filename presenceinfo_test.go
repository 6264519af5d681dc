package boreas_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// TestPresenceInfoOfTokens: the info of the user's token replaces the client's info, and other
// clients can tell the two apart. A client cannot set its own info again.
//
// clause 9.2
func TestPresenceInfoOfTokens(t *testing.T) {
	inRooms(t, func(w world) {
		watcher, c := w.member("zoe")
		w.watch(watcher, "room.a")
		seen := 0
		grant := func(identity, user, info string) *access.Grant {
			g := boreastest.Grant(identity, user)
			g.Info = info
			return g
		}
		enter := func(g *access.Grant, claim string) *boreas.Session {
			s, _ := w.member("nobody")
			if err := s.Authenticate(g); err != nil {
				t.Fatal(err)
			}
			w.joins(s, boreas.Join{Channel: "room.a", Info: json.RawMessage(claim)})
			return s
		}
		check := func(step, events, ann string) {
			t.Helper()
			w.settle()
			var got []string
			for _, line := range strings.Split(c.Taken(), "\n") {
				if _, event, ok := strings.Cut(line, `{"event"`); ok {
					event, _, _ = strings.Cut(event, `,"users"`)
					got = append(got, event)
				}
			}
			got, seen = got[seen:], len(got)
			if text := strings.Join(got, "; "); text != events {
				t.Errorf("%s: the events are %s, want %s", step, text, events)
			}
			state, err := w.hub.Presence("room.a")
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range state.Members {
				if m.User == "ann" {
					if text := fmt.Sprint(string(m.Info), " ", m.Verified); text != ann {
						t.Errorf("%s: ann is %s, want %s", step, text, ann)
					}
				}
			}
		}
		const admin, own, other = `{"name":"admin"}`, `{"name":"Ann"}`, `{"name":"Anna"}`
		first := enter(grant("1", "ann", ""), admin)
		check("a claim", `:"join","user":"ann","info":`+admin, admin+" false")
		second := enter(grant("2", "ann", own), admin)
		check("a token replaces it", `:"join","user":"ann","info":`+own+`,"verified":true`, own+" true")
		enter(grant("3", "ann", own), admin)
		check("the same again", "", own+" true")
		enter(grant("1", "ann", ""), admin)
		check("a later claim", "", own+" true")
		second.Leave("room.a")
		check("its session has left", "", own+" true")
		if err := first.Authenticate(grant("4", "ann", other)); err != nil {
			t.Fatal(err)
		}
		check("a new token in place", `:"join","user":"ann","info":`+other+`,"verified":true`, other+" true")
		if err := first.Authenticate(grant("5", "bob", own)); err != nil {
			t.Fatal(err)
		}
		check("another user's token in place", `:"join","user":"bob","info":`+own+`,"verified":true`, other+" true")
		enter(grant("6", "carl", own), "")
		check("without a claim", `:"join","user":"carl","info":`+own+`,"verified":true`, other+" true")
		// Channels with counts only reveal no info of users.
		s, _ := w.member("dan")
		s.Authenticate(grant("7", "dan", own))
		w.join(s, "count.a")
		w.users("count.a", `{"users":1,"sessions":1}`)
	})
}

func TestNewInfo(t *testing.T) {
	long := `"` + strings.Repeat("x", boreas.MaxInfo-2) + `"`
	for text, want := range map[string]string{
		"": "", "null": "", " null ": "", `{ "a": [1,
			2] }`: `{"a":[1,2]}`, `"x"`: `"x"`, "0": "0", long: long, strings.Repeat(" ", 2000) + "1": "1",
	} {
		if got, err := boreas.NewInfo([]byte(text)); got != want || err != nil {
			t.Errorf("%.40q: %q, %v", text, got, err)
		}
	}
	if _, err := boreas.NewInfo([]byte(`[` + long + `]`)); err != boreas.ErrInfoTooLarge {
		t.Error(err)
	}
	for _, text := range []string{"{", "1 2", "x"} {
		if _, err := boreas.NewInfo([]byte(text)); err == nil || err == boreas.ErrInfoTooLarge {
			t.Errorf("%q: %v", text, err)
		}
	}
}
