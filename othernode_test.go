package boreas_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// inCluster runs a test with the hub of a node n1.
func inCluster(t *testing.T, changed func(boreas.PresenceChange), test func(w world)) {
	t.Helper()
	rules := ruleFor("room.**", boreas.Rule{Presence: boreas.PresenceFull}).Add(boreastest.Pattern("count.**"), boreas.Rule{Presence: boreas.PresenceCount})
	inWorld(t, boreas.Options{Node: "n1", Rules: rules, PresenceLinger: 5 * time.Second, PresenceChanged: changed, Sweepers: 1}, test)
}

func change(kind boreas.PresenceKind, channel, session, user string) boreas.PresenceChange {
	return boreas.PresenceChange{Kind: kind, Channel: channel, Session: session, User: user}
}

func (w world) apply(n *boreas.OtherNode, changes ...boreas.PresenceChange) {
	w.Helper()
	for _, c := range changes {
		if err := n.Apply(c); err != nil {
			w.Errorf("%+v: %v", c, err)
		}
	}
}

// free checks that nothing of the presence is kept.
func (w world) free() {
	w.Helper()
	if got := w.hub.Stats().ChannelBytes; got != 0 {
		w.Errorf("%d bytes are still counted", got)
	}
	if n := boreas.PresencesHeld(w.hub); n != 0 {
		w.Errorf("%d presences are kept", n)
	}
}

// The sessions of another node are present also while no session of this hub is on the channel.
//
// clause 9.1
func TestPresenceOfAnotherNodeWithoutTheChannel(t *testing.T) {
	inCluster(t, nil, func(w world) {
		n := w.hub.OtherNode("n2")
		w.apply(n, change(boreas.PresenceEnter, "room.a", "s_n2_1", "bob"), change(boreas.PresenceEnter, "count.a", "s_n2_1", "bob"))
		w.users("room.a", `{"users":1,"sessions":1,"members":[{"user":"bob","sessions":["s_n2_1"]}]}`)
		w.users("count.a", `{"users":1,"sessions":1}`)
		s, c := w.member("ann")
		w.watch(s, "room.a")
		id := s.ID()
		here := fmt.Sprintf(`here {"users":2,"sessions":2,"members":[{"user":"ann","sessions":["%s"]},{"user":"bob","sessions":["s_n2_1"]}]}`, id)
		w.want(c, here)
		w.apply(n, change(boreas.PresenceEnter, "room.a", "s_n2_2", "cid"), change(boreas.PresenceLeave, "room.a", "s_n2_1", "bob"))
		w.want(c, here, `room.a presence {"event":"join","user":"cid","users":3,"sessions":3}`, `room.a presence {"event":"leave","user":"bob","users":2,"sessions":2}`)
		s.Leave("room.a")
		w.users("room.a", `{"users":1,"sessions":1,"members":[{"user":"cid","sessions":["s_n2_2"]}]}`)
		if n := boreas.ChannelsHeld(w.hub); n != 0 {
			t.Errorf("%d channels are followed", n)
		}
		w.apply(n, change(boreas.PresenceLeave, "room.a", "s_n2_2", "cid"), change(boreas.PresenceLeave, "count.a", "s_n2_1", "bob"))
		w.apply(n, change(boreas.PresenceLeave, "room.b", "s_n2_2", "cid"), change(boreas.PresenceInfo, "room.b", "", "cid"))
		w.users("room.a", `{"users":0,"sessions":0,"members":[]}`)
		s.End(boreas.ErrLeft)
		w.settle()
		w.free()
	})
}

// A node that is lost leaves nothing behind, on channels of this hub and on others.
//
// clause 9.6
func TestALostNode(t *testing.T) {
	inCluster(t, nil, func(w world) {
		n := w.hub.OtherNode("n2")
		s, c := w.member("ann")
		w.watch(s, "room.0")
		for i := range 200 {
			w.apply(n, change(boreas.PresenceEnter, fmt.Sprint("room.", i), fmt.Sprint("s_n2_", i+1), "bob"))
		}
		n.Lose()
		w.pass(5*time.Second - 1)
		w.users("room.7", `{"users":1,"sessions":1,"members":[{"user":"bob","sessions":["s_n2_8"]}]}`)
		w.pass(1)
		w.users("room.7", `{"users":0,"sessions":0,"members":[]}`)
		w.want(c, fmt.Sprintf(`here {"users":1,"sessions":1,"members":[{"user":"ann","sessions":["%s"]}]}`, s.ID()),
			`room.0 presence {"event":"join","user":"bob","users":2,"sessions":2}`, `room.0 presence {"event":"leave","user":"bob","users":1,"sessions":1}`)
		if got := n.Digest(); got != (boreas.PresenceDigest{}) {
			t.Errorf("%+v", got)
		}
		s.End(boreas.ErrLeft)
		w.settle()
		w.free()
	})
}

// A snapshot after a loss: sessions that are in it go on without an event, also as those of a new
// OtherNode, and others leave.
func TestANodeIsFoundAgain(t *testing.T) {
	for _, renewed := range []bool{false, true} {
		inCluster(t, nil, func(w world) {
			n := w.hub.OtherNode("n2")
			s, c := w.member("ann")
			w.watch(s, "room.a")
			for i, user := range []string{"bob", "cid", "dan"} {
				w.apply(n, change(boreas.PresenceEnter, "room.a", fmt.Sprint("s_n2_", i), user))
			}
			w.settle()
			n.Lose()
			w.pass(time.Second)
			other := w.hub.OtherNode("n3")
			w.apply(other, change(boreas.PresenceEnter, "room.a", "s_n3_1", "dan")) // dan has reconnected
			old := n
			if renewed {
				n = w.hub.OtherNode("n2")
			}
			n.Begin()
			w.apply(n, change(boreas.PresenceEnter, "room.a", "s_n2_0", "bob"))
			n.End()
			want := boreas.PresenceDigest{}
			want.Count(change(boreas.PresenceEnter, "room.a", "s_n2_0", "bob"))
			if diff := cmp.Diff(want, n.Digest()); diff != "" {
				t.Error(diff)
			}
			w.pass(10 * time.Second)
			w.users("room.a", fmt.Sprintf(`{"users":3,"sessions":3,"members":[{"user":"ann","sessions":["%s"]},{"user":"bob","sessions":["s_n2_0"]},{"user":"dan","sessions":["s_n3_1"]}]}`, s.ID()))
			w.want(c, fmt.Sprintf(`here {"users":1,"sessions":1,"members":[{"user":"ann","sessions":["%s"]}]}`, s.ID()),
				`room.a presence {"event":"join","user":"bob","users":2,"sessions":2}`,
				`room.a presence {"event":"join","user":"cid","users":3,"sessions":3}`,
				`room.a presence {"event":"join","user":"dan","users":4,"sessions":4}`,
				`room.a presence {"event":"leave","user":"cid","users":3,"sessions":3}`)
			if got := old.Digest(); renewed && got != (boreas.PresenceDigest{}) {
				t.Errorf("the old node has %+v", got)
			}
		})
	}
}

// What one hub reports and lists is what another one needs to have the same sessions.
func TestTwoHubsAgree(t *testing.T) {
	var reported []boreas.PresenceChange
	var digest boreas.PresenceDigest
	inCluster(t, func(c boreas.PresenceChange) { reported = append(reported, c); digest.Count(c) }, func(w world) {
		o := boreas.Options{Node: "n2", Rules: ruleFor("room.**", boreas.Rule{Presence: boreas.PresenceFull})}
		second := boreas.New(o) // it has no presence on count.**
		defer second.Shutdown(context.Background(), 0)
		var sessions []*boreas.Session
		for i := range 20 {
			s, _ := w.member(fmt.Sprint("user ", i%5))
			for _, channel := range []string{fmt.Sprint("room.", i%3), "count.x", "news", `room. "`} {
				w.join(s, channel)
			}
			sessions = append(sessions, s)
		}
		for _, s := range sessions[:7] {
			s.Leave("room.0", "count.x")
		}
		sessions[8].End(boreas.ErrLeft)
		sessions[9].Lost(boreas.ErrPingTimeout)
		w.settle()
		live, listed := second.OtherNode("n1"), second.OtherNode("n1")
		for _, c := range reported {
			if err := live.Apply(c); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(digest, live.Digest()); diff != "" || digest.Places < 40 {
			t.Errorf("%+v\n%s", digest, diff)
		}
		want, _ := w.hub.Presence("room.1")
		if got, _ := second.Presence("room.1"); !cmp.Equal(want, got) || got.Sessions != 7 {
			t.Errorf("%+v, want %+v", got, want)
		}
		if _, err := second.Presence("count.x"); err != boreas.ErrNoPresence {
			t.Error(err)
		}
		for _, size := range []int{0, 1, 1000, 1 << 20} {
			live.Lose()
			listed.Begin()
			pages, last := 0, ""
			for next := ""; pages == 0 || next != ""; pages++ {
				page, following, err := w.hub.OwnPresence(next, size)
				if err != nil {
					t.Fatal(err)
				}
				if text, err := json.Marshal(page); err != nil || len(text) > size+200 {
					t.Errorf("a page of %d bytes, %v", len(text), err)
				}
				for _, c := range page {
					if err := listed.Apply(c); err != nil {
						t.Error(err)
					}
				}
				last, next = next, following
			}
			listed.End()
			if diff := cmp.Diff(digest, listed.Digest()); diff != "" {
				t.Errorf("%d pages, the last one after %q:\n%s", pages, last, diff)
			}
			if least := map[int]int{0: digest.Places, 1: digest.Places, 1000: 5, 1 << 20: 1}[size]; pages < least {
				t.Errorf("%d pages of size %d", pages, size)
			}
		}
		for _, after := range []string{"x", "1", "64 s_1 news", "-1 s_1 news", "1 news"} {
			if _, _, err := w.hub.OwnPresence(after, 1000); err == nil {
				t.Errorf("%q is a place", after)
			}
		}
	})
}

func TestChangesThatCannotBeApplied(t *testing.T) {
	inCluster(t, nil, func(w world) {
		n := w.hub.OtherNode("n2")
		right := boreas.PresenceChange{Kind: boreas.PresenceEnter, Channel: "room.a", Session: "s_n2_1", User: "bob", Info: json.RawMessage(` {"a": 1}`), Verified: true}
		for want, alter := range map[string]func(c *boreas.PresenceChange){
			"channel":                   func(c *boreas.PresenceChange) { c.Channel = "" },
			"user's name has 256 bytes": func(c *boreas.PresenceChange) { c.User = strings.Repeat("u", access.MaxUser+1) },
			"not JSON":                  func(c *boreas.PresenceChange) { c.Info = json.RawMessage(`{`) },
			"not JSON of at most": func(c *boreas.PresenceChange) {
				c.Info = json.RawMessage(`"` + strings.Repeat("i", boreas.MaxInfo) + `"`)
			},
			`"s_n3_1" is not a session`:     func(c *boreas.PresenceChange) { c.Session = "s_n3_1" },
			`"" is not a session`:           func(c *boreas.PresenceChange) { c.Session = "" },
			`"s_1" is not a session of nod`: func(c *boreas.PresenceChange) { c.Session = "s_1" },
			"not a kind":                    func(c *boreas.PresenceChange) { c.Kind = "other" },
		} {
			c := right
			alter(&c)
			if err := n.Apply(c); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
		w.free()
		boreas.SetPlaces(n, boreas.MaxNodePlaces)
		if err := n.Apply(right); !errors.Is(err, boreas.ErrTooManyPlaces) {
			t.Error(err)
		}
		w.free()
		boreas.SetPlaces(n, boreas.MaxNodePlaces-1)
		w.apply(n, right, right)
		w.users("room.a", `{"users":1,"sessions":1,"members":[{"user":"bob","sessions":["s_n2_1"],"info":{"a":1},"verified":true}]}`)
	})
}

// Sessions of this hub and of others come and go on the same channels at once.
func TestOtherNodesBesideOwnSessions(t *testing.T) {
	inCluster(t, func(boreas.PresenceChange) {}, func(w world) {
		const channels, rounds = 3, 200
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				n := w.hub.OtherNode(fmt.Sprint("n", i+2))
				for round := range rounds {
					c := change(boreas.PresenceEnter, fmt.Sprint("room.", round%channels), fmt.Sprintf("s_n%d_1", i+2), "bob")
					w.apply(n, c)
					w.hub.Presence(c.Channel)
					switch round % 3 {
					case 0:
						c.Kind = boreas.PresenceLeave
						w.apply(n, c)
					case 1:
						n.Begin()
						n.End()
					case 2:
						n.Lose()
					}
				}
				n.Begin()
				n.End()
				if got := n.Digest(); got != (boreas.PresenceDigest{}) {
					t.Errorf("%+v", got)
				}
			})
			s, _ := w.member("ann")
			all.Go(func() {
				for round := range rounds {
					channel := fmt.Sprint("room.", round%channels)
					s.Join(context.Background(), []boreas.Join{{Channel: channel}}, nil)
					s.Leave(channel)
				}
				s.End(boreas.ErrLeft)
			})
		}
		all.Wait()
		synctest.Wait()
		w.pass(10 * time.Second)
		w.free()
	})
}
