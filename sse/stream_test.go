package sse

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// clauses 10.1, 10.3, 10.4, 10.5
func TestOneChannel(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		first := r.publish("news", `"before"`)
		s, join := r.open("?channel=news")
		id := func(p engine.Position) string { return idOf([]string{"news"}, p) }
		want := event{Type: "join", ID: id(first), Retry: join.Retry, Data: `{"channels":[{"channel":"news","position":"` + first.String() + `"}],"heartbeat":0}`}
		if diff := cmp.Diff(want, join); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if ms, err := strconv.Atoi(join.Retry); err != nil || ms < 1000 || ms > 3000 {
			t.Errorf("retry is %q, want 1000 to 3000", join.Retry)
		}
		for _, data := range []string{`1`, `{"a": "ż"}`, `"` + strings.Repeat("x", 1<<20) + `"`, `null`} {
			p := r.publish("news", data)
			s.want(message(id(p), "news", data, p))
		}
		s.body.Close()
		r.gone()
	})
}

// clauses 10.1, 10.4, 10.5
func TestSeveralChannels(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		names := []string{"a", "b & c", "ż"}
		a, b, c := r.publish("a", "0"), r.publish("b & c", "0"), r.publish("ż", "0")
		s, join := r.open("?channel=a&channel=b+%26+c&channel=a&channel=%C5%BC")
		want := event{
			Type: "join", ID: idOf(names, a, b, c), Retry: join.Retry,
			Data: fmt.Sprintf(`{"channels":[{"channel":"a","position":"%v"},{"channel":"b & c","position":"%v"},{"channel":"ż","position":"%v"}],"heartbeat":0}`, a, b, c),
		}
		if diff := cmp.Diff(want, join); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for range 3 {
			b = r.publish("b & c", "1")
			s.want(message(idOf(names, a, b, c), "b & c", "1", b))
			a = r.publish("a", "2")
			s.want(message(idOf(names, a, b, c), "a", "2", a))
			c = r.publish("ż", "3")
			s.want(message(idOf(names, a, b, c), "ż", "3", c))
		}
	})
}

// clauses 4.7, 10.5
func TestReconnectWithTheLastID(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		names := []string{"a", "b"}
		s, _ := r.open("?channel=a&channel=b")
		for round := range 4 {
			// The client receives one message. More are published while it is disconnected.
			a := r.publish("a", strconv.Itoa(round))
			seen := s.next().ID
			s.body.Close()
			r.gone()
			b1, b2 := r.publish("b", "1"), r.publish("b", "2")
			var join event
			if round%2 == 0 {
				s, join = r.open("?channel=a&channel=b", "Last-Event-ID", seen)
			} else {
				s, join = r.open("?channel=a&channel=b&last_event_id=" + escape(seen))
			}
			if got := strings.Count(join.Data, `"recovered":true`); got != 2 {
				t.Errorf("not recovered: %s", join.Data)
			}
			if join.ID != seen {
				t.Errorf("it continues from %s, want %s", join.ID, seen)
			}
			s.want(message(idOf(names, a, b1), "b", "1", b1), message(idOf(names, a, b2), "b", "2", b2))
		}
	})
}

// clauses 10.5, 10.6: the header has precedence over last_event_id, and both over since.NAME.
func TestPrecedenceOfPositions(t *testing.T) {
	r := newRig(t, overSocket, boreas.Options{}, Options{})
	var p []engine.Position
	for i := range 4 {
		p = append(p, r.publish("a", strconv.Itoa(i)))
	}
	id := func(i int) string { return idOf([]string{"a"}, p[i]) }
	tests := []struct {
		query  string
		header []string
		want   string // the first message
	}{
		{"?channel=a", nil, id(3)},
		{"?channel=a&last_event_id=", nil, id(3)},
		{"?channel=a&last=2", nil, id(1)},
		{"?channel=a&last=0", nil, id(3)},
		{"?channel=a&since.a=" + p[2].String(), nil, id(2)},
		{"?channel=a&since.a=" + p[2].String() + "&last=4", nil, id(2)},
		{"?channel=a&last_event_id=" + id(1) + "&since.a=" + p[2].String(), nil, id(1)},
		{"?channel=a&last_event_id=" + id(1), []string{"Last-Event-ID", id(0)}, id(0)},
		{"?channel=a&since.a=nonsense&last_event_id=" + id(1), nil, id(1)},
	}
	for _, c := range tests {
		_, join := r.open(c.query, c.header...)
		if join.ID != c.want {
			t.Errorf("%s %s continues from %s, want %s", c.query, c.header, join.ID, c.want)
		}
	}
}

// clauses 4.8, 5.1, 5.4, 10.3, 10.5
func TestPositionsThatCannotBeRecovered(t *testing.T) {
	r := newRig(t, overSocket, boreas.Options{Engine: eng(t, memory.Options{Messages: 2})}, Options{})
	first := r.publish("a", "0")
	var p engine.Position
	for range 5 {
		p = r.publish("a", "1")
	}
	oldest := engine.Position{Epoch: p.Epoch, Offset: p.Offset - 2}
	ahead := engine.Position{Epoch: p.Epoch, Offset: p.Offset + 7}
	other := engine.Position{Epoch: p.Epoch + 1, Offset: p.Offset}
	for since, reason := range map[engine.Position]string{first: "expired", ahead: "ahead", other: "unknown_epoch"} {
		_, join := r.open("?channel=a", "Last-Event-ID", idOf([]string{"a"}, since))
		want := fmt.Sprintf(`{"channels":[{"channel":"a","position":"%v","recovered":false,"gap":{"reason":"%s","from":"%v","to":"%v"},"oldest":"%v"}],"heartbeat":0}`, p, reason, since, p, oldest)
		if diff := cmp.Diff(want, join.Data); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if want := idOf([]string{"a"}, p); join.ID != want {
			t.Errorf("it continues from %s, want %s", join.ID, want)
		}
	}
}

// clauses 4.2, 4.11, 10.3, 10.5
func TestOneChannelCannotBeJoined(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		a := r.publish("a", "1")
		query := "?channel=a&channel=x%00&channel=%ff&channel=c&since.c=nonsense"
		s, join := r.open(query)
		names := []string{"a", "x\x00", "\xff", "c"}
		none := engine.Position{}
		if want := idOf(names, a, none, none, none); join.ID != want {
			t.Errorf("its id is %s, want %s", join.ID, want)
		}
		if !strings.HasSuffix(join.ID, ",,,") {
			t.Errorf("its id is %s", join.ID)
		}
		codes := regexp.MustCompile(`"channel":"([^"]*)",(?:"error":{"code":"(\w+)"|"position":)`).FindAllStringSubmatch(join.Data, -1)
		var got []string
		for _, c := range codes {
			got = append(got, c[1]+" "+c[2])
		}
		want := []string{"a ", `x\u0000 channel_name`, "\uFFFD channel_name", "c bad_position"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, join.Data)
		}
		s.body.Close()
		missed := r.publish("a", "2")
		s, _ = r.open(query, "Last-Event-ID", join.ID)
		s.want(message(idOf(names, missed, none, none, none), "a", "2", missed))
	})
}

// clauses 5.3, 5.5, 5.7, 10.4, 10.5
func TestASlowReaderReceivesGaps(t *testing.T) {
	for _, query := range []string{"?channel=a", "?channel=a&channel=b"} {
		each(t, func(t *testing.T, k kind) {
			r := newRig(t, k, boreas.Options{Engine: eng(t, memory.Options{Messages: 5})}, Options{})
			names := []string{"a", "b"}[:strings.Count(query, "=")]
			at := make([]engine.Position, len(names))
			s, join := r.open(query) // and does not read yet
			last := regexp.MustCompile(`"position":"(.*?)"`).FindStringSubmatch(join.Data)[1]
			big := `"` + incompressible(1<<20) + `"`
			var all []engine.Position
			for range 40 { // more than the connection, the window and the log hold
				all = append(all, r.publish("a", big))
			}
			if len(names) > 1 {
				at[1] = r.publish("b", "1")
			}
			gaps, next := 0, 0
			for next < len(all) {
				e := s.next()
				switch {
				case e.Type == "goodbye" && gaps >= 9 && strings.HasPrefix(e.Data, `{"error":{"code":"slow",`):
					return // on a busy machine, the test may be faster than the hub
				case e.Type == "gap":
					gaps++
					parts := regexp.MustCompile(`^{"channel":"a","gap":{"reason":"slow","from":"(.*)","to":"(.*)"}}$`).FindStringSubmatch(e.Data)
					if parts == nil || parts[1] != last {
						t.Fatalf("after %d messages %+v", next, e)
					}
					for all[next].String() != parts[2] {
						next++
					}
				case strings.HasPrefix(e.Data, `{"channel":"b"`):
					continue
				case !strings.HasSuffix(e.Data, `"position":"`+all[next].String()+`"}`):
					t.Fatalf("want message %d, got %.100s…%s", next, e.Data, e.Data[len(e.Data)-40:])
				}
				last = all[next].String()
				if _, places, _ := strings.Cut(e.ID, "."); strings.Split(places, ",")[0] != last {
					t.Fatalf("the id %s of %s %.100s is not the position %s", e.ID, e.Type, e.Data, last)
				}
				next++
			}
			if gaps == 0 {
				t.Error("there was no gap, so the test checked nothing")
			}
		})
	}
}

// clauses 5.2, 10.4
func TestASlowReaderGetsEverything(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, boreas.Options{}, Options{})
		names := []string{"a", "b"}
		s, _ := r.open("?channel=a&channel=b")
		one, _ := r.open("?channel=a")
		pad := incompressible(10_000)
		const n = 700 // of each: below the logs' bounds, above the connections' buffers
		at := map[string][]engine.Position{}
		for i := range n {
			for _, name := range names {
				at[name] = append(at[name], r.publish(name, fmt.Sprintf(`"%d %s"`, i, pad)))
			}
		}
		next := map[string]int{}
		places := map[string]engine.Position{}
		for range 2 * n {
			e := s.next()
			name := e.Data[len(`{"channel":"`):][:1]
			i := next[name]
			next[name]++
			places[name] = at[name][i]
			if i == 0 { // the id contains the earlier position of the other channel
				continue
			}
			if next["a"] > 0 && next["b"] > 0 {
				if diff := cmp.Diff(message(idOf(names, places["a"], places["b"]), name, fmt.Sprintf(`"%d %s"`, i, pad), at[name][i]), e); diff != "" {
					t.Fatalf("(-want +got):\n%.1000s", diff)
				}
			}
		}
		for i := range n {
			one.want(message(idOf(names[:1], at["a"][i]), "a", fmt.Sprintf(`"%d %s"`, i, pad), at["a"][i]))
		}
	})
}

// clauses 8.3, 8.5, 10.4
func TestShutdownSendsGoodbyes(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		for _, query := range []string{"?channel=a", "?channel=a&channel=b"} {
			r := newRig(t, k, boreas.Options{}, Options{})
			var readers []*reader
			for range 50 { // 5 in each slot
				one, _ := r.open(query)
				readers = append(readers, one)
			}
			done := make(chan error)
			go func() { done <- r.hub.Shutdown(context.Background(), time.Minute) }()
			goodbye := func(e event) (after string) {
				t.Helper()
				parts := regexp.MustCompile(`^{"error":{"code":"shutting_down","message":"Server is shutting down.","retry":"now","docs":"docs/errors.md#shutting_down"},"reconnect":{"after_ms":(\d+)}}$`).FindStringSubmatch(e.Data)
				if parts == nil || e.Type != "goodbye" || e.ID != "" || e.Retry != "" {
					t.Fatalf("got %+v", e)
				}
				return parts[1]
			}
			announced := 0
			for _, s := range readers {
				goodbye(s.next())
				if e, err := s.Read(); err == nil { // its slot was not the first, so this was the announcement
					announced++
					goodbye(e)
					s.wantEnd()
				}
			}
			// The clients of the first slot get none, and on a slow machine some of the next ones.
			if announced == 0 || announced > 45 {
				t.Errorf("%d clients received an announcement", announced)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// clauses 8.3, 10.4, 10.9
func TestEnds(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tests := []struct {
			reason          error
			code, reconnect string
		}{
			{boreas.ErrTerminated, "terminated", ""},
			{boreas.ErrFallsBehind, "slow", `,"reconnect":{"after_ms":N}`},
			{boreas.ErrNodeIsolated, "node_isolated", `,"reconnect":{"after_ms":N}`},
			{fmt.Errorf("secret"), "internal", `,"reconnect":{"after_ms":N}`},
		}
		for _, c := range tests {
			r := newRig(t, k, boreas.Options{}, Options{})
			s, _ := r.open("?channel=a&presence=false")
			list, _, _ := r.hub.ListSessions("", 1)
			if err := r.hub.EndSession(list[0].ID, c.reason); err != nil {
				t.Fatal(err)
			}
			e := s.next()
			after := regexp.MustCompile(`"reconnect":{"after_ms":(\d+)}`).FindStringSubmatch(e.Data)
			if after != nil {
				if ms, _ := strconv.Atoi(after[1]); (ms > maxRetry) != (e.Retry == after[1]) || ms <= maxRetry && e.Retry != "" {
					t.Errorf("the retry for an EventSource is %s: %+v", e.Retry, e)
				}
			}
			text := regexp.MustCompile(`"after_ms":\d+`).ReplaceAllString(e.Data, `"after_ms":N`)
			if e.Type != "goodbye" || !strings.HasPrefix(text, `{"error":{"code":"`+c.code+`"`) || !strings.HasSuffix(text, "}"+c.reconnect+"}") || strings.Contains(text, "secret") {
				t.Errorf("%v: got %+v", c.reason, e)
			}
			s.wantEnd()
			r.gone()
		}
	})
}
