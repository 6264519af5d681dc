package boreas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// inRooms runs a test in a world where channels "room.…" have presence and channels "count.…" have
// only numbers.
func inRooms(t *testing.T, test func(w world)) {
	t.Helper()
	var rules *boreas.Rules
	for pattern, mode := range map[string]boreas.PresenceMode{"room.**": boreas.PresenceFull, "count.**": boreas.PresenceCount} {
		rules = rules.Add(boreastest.Pattern(pattern), boreas.Rule{Presence: mode})
	}
	inWorld(t, boreas.Options{Rules: rules, PresenceLinger: 5 * time.Second, Sweepers: 1}, test)
}

// member opens a session of the user.
func (w world) member(user string) (*boreas.Session, *boreastest.Conn) {
	w.Helper()
	c := &boreastest.Conn{Form: boreastest.Announcing{}}
	s, err := c.Open(w.hub)
	if err != nil {
		w.Fatalf("open: %v", err)
	}
	s.Authenticate(boreastest.Grant("identity of "+user, user))
	return s, c
}

// watch joins the channel with presence. The snapshot becomes a line "here …".
func (w world) watch(s *boreas.Session, channel string) {
	w.Helper()
	joins := []boreas.Join{{Channel: channel, Watch: true}}
	results := s.Join(context.Background(), joins, func(dst []byte, results []boreas.Joined) []byte {
		text, err := json.Marshal(results[0].Presence)
		if err != nil {
			w.Error(err)
		}
		return fmt.Appendf(dst, "here %s\n", text)
	})
	if err := results[0].Err; err != nil {
		w.Fatalf("join %q: %v", channel, err)
	}
}

func (w world) users(channel, want string) {
	w.Helper()
	state, err := w.hub.Presence(channel)
	if err != nil {
		w.Fatal(err)
	}
	if got, err := json.Marshal(state); err != nil || string(got) != want {
		w.Errorf("presence of %q:\n got %s, %v\nwant %s", channel, got, err, want)
	}
}

// clauses 9.1, 9.3
func TestPresenceNeedsARule(t *testing.T) {
	inRooms(t, func(w world) {
		s, _ := w.member("ann")
		w.join(s, "news")
		if _, err := w.hub.Presence("news"); err != boreas.ErrNoPresence {
			t.Errorf("presence of a channel without: %v", err)
		}
		if _, err := w.hub.Presence(""); !errors.Is(err, access.ErrChannelName) {
			t.Errorf("presence of no channel: %v", err)
		}
		w.users("room.a", `{"users":0,"sessions":0,"members":[]}`)
		w.users("count.a", `{"users":0,"sessions":0}`)
		w.join(s, "room.a")
		w.join(s, "count.a")
		w.users("room.a", `{"users":1,"sessions":1,"members":[{"user":"ann","sessions":["`+s.ID()+`"]}]}`)
		w.users("count.a", `{"users":1,"sessions":1}`)
	})
}

// A session whose protocol has no presence is present like any other.
//
// clause 9.1
func TestPresenceOfClassicSessions(t *testing.T) {
	inRooms(t, func(w world) {
		s, c := w.subscriber("room.a")
		w.users("room.a", `{"users":1,"sessions":1,"members":[{"user":"u","sessions":["`+s.ID()+`"]}]}`)
		other, _ := w.member("ann")
		w.watch(other, "room.a")
		s.Deauthenticate()
		w.users("room.a", `{"users":1,"sessions":1,"members":[{"user":"ann","sessions":["`+other.ID()+`"]}]}`)
		s.Authenticate(boreastest.Grant("user", "u"))
		w.join(s, "room.a")
		s.Authenticate(boreastest.Grant("user 2", "u2"))
		w.users("room.a", `{"users":2,"sessions":2,"members":[{"user":"ann","sessions":["`+other.ID()+`"]},{"user":"u2","sessions":["`+s.ID()+`"]}]}`)
		w.want(c)
	})
}

// clauses 9.2, 9.4, 9.5
func TestPresenceEventsReachWatchers(t *testing.T) {
	inRooms(t, func(w world) {
		ann, annConn := w.member("ann")
		w.watch(ann, "room.a")
		bob, bobConn := w.member("bob")
		bob.Join(context.Background(), []boreas.Join{{Channel: "room.a", Info: json.RawMessage(`{"name": "Bob"}`)}}, nil)
		w.settle()
		w.publish("room.a", "hello")
		w.settle()
		bob.Leave("room.a")
		w.settle()
		w.watch(bob, "room.a")
		w.want(annConn,
			`here {"users":1,"sessions":1,"members":[{"user":"ann","sessions":["`+ann.ID()+`"]}]}`,
			`room.a presence {"event":"join","user":"bob","info":{"name":"Bob"},"users":2,"sessions":2}`,
			`room.a 1 hello`,
			`room.a presence {"event":"leave","user":"bob","users":1,"sessions":1}`,
			`room.a presence {"event":"join","user":"bob","users":2,"sessions":2}`)
		ann.Leave("room.a")
		w.want(bobConn, `room.a 1 hello`,
			`here {"users":2,"sessions":2,"members":[{"user":"ann","sessions":["`+ann.ID()+`"]},{"user":"bob","sessions":["`+bob.ID()+`"]}]}`,
			`room.a presence {"event":"leave","user":"ann","users":1,"sessions":1}`)
		bob.Leave("room.a")
		w.users("room.a", `{"users":0,"sessions":0,"members":[]}`)
	})
}

// clause 9.6
func TestPresenceOfSessionsThatEnd(t *testing.T) {
	for _, c := range []struct {
		name    string
		end     func(*boreas.Session)
		lingers bool
	}{
		{"lost", func(s *boreas.Session) { s.Lost(errors.New("reset")) }, true},
		{"closed by the peer", func(s *boreas.Session) { s.Lost(boreas.ErrLeft) }, false},
		{"slow", func(s *boreas.Session) { s.End(boreas.ErrSlow) }, true},
		{"again and again slow", func(s *boreas.Session) { s.End(boreas.ErrFallsBehind) }, true},
		{"no pong", func(s *boreas.Session) { s.End(boreas.ErrPingTimeout) }, true},
		{"sent away", func(s *boreas.Session) { s.End(boreas.ErrTerminated) }, false},
		{"revoked", func(s *boreas.Session) { s.Deauthenticate() }, false},
		{"left", func(s *boreas.Session) { s.Leave("room.a") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRooms(t, func(w world) {
				ann, conn := w.member("ann")
				bob, _ := w.member("bob")
				w.join(bob, "room.a")
				w.watch(ann, "room.a")
				c.end(bob)
				w.settle()
				before := len(conn.Lines())
				w.pass(5 * time.Second)
				lines := conn.Lines()
				if last := lines[len(lines)-1]; last != `room.a presence {"event":"leave","user":"bob","users":1,"sessions":1}` {
					t.Errorf("the last line is %s", last)
				}
				if lingers := before == 1; lingers != c.lingers || len(lines) != 2 {
					t.Errorf("lingers: %v; lines: %q", lingers, lines)
				}
			})
		})
	}
}

// clause 9.6
func TestPresenceOfAChannelWithOnlyLingeringSessions(t *testing.T) {
	inRooms(t, func(w world) {
		ann, _ := w.member("ann")
		w.join(ann, "room.a")
		ann.Lost(errors.New("reset"))
		w.pass(4 * time.Second)
		w.users("room.a", `{"users":1,"sessions":1,"members":[{"user":"ann","sessions":["`+ann.ID()+`"]}]}`)
		again, conn := w.member("ann")
		w.watch(again, "room.a")
		w.pass(time.Hour)
		w.want(conn, `here {"users":1,"sessions":1,"members":[{"user":"ann","sessions":["`+again.ID()+`"]}]}`)
		again.Lost(errors.New("reset"))
		w.pass(5 * time.Second)
		if list, _, err := w.hub.ListChannels(t.Context(), "", "", 10); err != nil || len(list) != 0 {
			t.Errorf("channels left: %v, %v", list, err)
		}
		ann, _ = w.member("ann")
		w.join(ann, "room.a")
		ann.Lost(errors.New("reset"))
		// Shutdown releases the place, which still lingers.
	})
}

// clause 9.8
func TestPresenceForASlowReader(t *testing.T) {
	inRooms(t, func(w world) {
		ann, conn := w.member("ann")
		w.watch(ann, "room.a")
		w.settle()
		conn.Bound(10) // in the middle of an event
		bob, _ := w.member("bob")
		w.join(bob, "room.a")
		w.settle()
		cid, _ := w.member("cid")
		w.join(cid, "room.a")
		w.settle()
		bob.Leave("room.a")
		w.settle()
		conn.Unbound()
		w.settle()
		bob, _ = w.member("bob")
		w.join(bob, "room.a")
		w.want(conn,
			`here {"users":1,"sessions":1,"members":[{"user":"ann","sessions":["`+ann.ID()+`"]}]}`,
			`room.a presence {"event":"join","user":"bob","users":2,"sessions":2}`,
			`room.a presence {"event":"state","users":2,"sessions":2,"members":[{"user":"ann","sessions":["`+ann.ID()+`"]},{"user":"cid","sessions":["`+cid.ID()+`"]}]}`,
			`room.a presence {"event":"join","user":"bob","users":3,"sessions":3}`)
	})
}

// TestWatchingAgain requests the snapshot again while an event is on its way. An event that the
// snapshot already includes must not come after it.
//
// clause 9.4
func TestWatchingAgain(t *testing.T) {
	inRooms(t, func(w world) {
		ann, conn := w.member("ann")
		w.watch(ann, "room.a")
		w.settle()
		// Block the only sweeper.
		busy, free := make(chan struct{}), make(chan struct{})
		block := false
		c := &boreastest.Conn{OnWrite: func() {
			if block {
				close(busy)
				<-free
			}
		}}
		w.subscribe(c, "news")
		block = true
		w.publish("news", "1")
		<-busy
		block = false
		bob, _ := w.member("bob")
		w.join(bob, "room.a")
		w.watch(ann, "room.a")
		close(free)
		w.settle()
		bob.Leave("room.a")
		w.settle()
		want := []string{
			`here {"users":1,"sessions":1,"members":[{"user":"ann","sessions":["` + ann.ID() + `"]}]}`,
			`here {"users":2,"sessions":2,"members":[{"user":"ann","sessions":["` + ann.ID() + `"]},{"user":"bob","sessions":["` + bob.ID() + `"]}]}`,
			`room.a presence {"event":"leave","user":"bob","users":1,"sessions":1}`,
		}
		if got := conn.Lines(); !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}

// clause 9.7
func TestPresenceCountsReachWatchers(t *testing.T) {
	inRooms(t, func(w world) {
		ann, conn := w.member("ann")
		w.watch(ann, "count.a")
		for i := range 50 {
			s, _ := w.member(fmt.Sprint("user", i))
			w.join(s, "count.a")
		}
		w.pass(time.Second)
		w.want(conn, `here {"users":1,"sessions":1}`,
			`count.a presence {"event":"count","users":2,"sessions":2}`,
			`count.a presence {"event":"count","users":51,"sessions":51}`)
	})
}

// TestPresenceUnderLoad has sessions join, watch, leave and be lost at the same time. Every watcher
// must be able to apply every event, and in the end nobody is present.
//
// clauses 9.4, 9.6
func TestPresenceUnderLoad(t *testing.T) {
	inRooms(t, func(w world) {
		rooms := []string{"room.a", "room.b", "count.a"}
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				for i := range 40 {
					s, c := w.member(fmt.Sprint("user", (g+i)%4))
					for _, room := range rooms {
						w.watch(s, room)
					}
					switch i % 4 {
					case 0:
						s.Leave("room.a")
						s.Lost(errors.New("reset"))
					case 1:
						s.End(boreas.ErrTerminated)
					case 2:
						s.Lost(errors.New("reset"))
					case 3:
						s.Authenticate(boreastest.Grant("identity of another", "another"))
						s.Lost(boreas.ErrLeft)
					}
					<-c.Finished()
					applies(w.T, c.Lines())
				}
			})
		}
		wg.Wait()
		w.pass(5 * time.Second)
		for _, room := range rooms[:2] {
			w.users(room, `{"users":0,"sessions":0,"members":[]}`)
		}
		w.users("count.a", `{"users":0,"sessions":0}`)
		if list, _, err := w.hub.ListChannels(t.Context(), "", "", 10); err != nil || len(list) != 0 {
			t.Errorf("channels left: %v, %v", list, err)
		}
	})
}

// applies checks that the events of each room apply to its snapshot and to each other. It uses the
// snapshots with members, in the order of the rooms.
func applies(t *testing.T, lines []string) {
	t.Helper()
	there := map[string]map[string]bool{}
	for _, line := range lines {
		room, text, isEvent := strings.Cut(line, " presence ")
		if !isEvent {
			text, isSnapshot := strings.CutPrefix(line, "here ")
			var state boreas.PresenceState
			if !isSnapshot || json.Unmarshal([]byte(text), &state) != nil || state.Members == nil {
				continue
			}
			members := map[string]bool{}
			for _, m := range state.Members {
				members[m.User] = true
			}
			there[[]string{"room.a", "room.b"}[len(there)]] = members
			continue
		}
		var e boreas.PresenceEvent
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Error(err)
		}
		members := there[room]
		switch {
		case e.Event == "join" && !members[e.User]:
			members[e.User] = true
		case e.Event == "leave" && members[e.User]:
			delete(members, e.User)
		case e.Event == "count" && members == nil:
			continue
		default:
			t.Errorf("%s does not apply; lines: %q", line, lines)
			return
		}
		if len(members) != e.Users {
			t.Errorf("after %s there are %d", line, len(members))
		}
	}
}
