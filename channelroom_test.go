package boreas_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// joinUntil joins channels with the names that name returns, until a join is refused. It returns
// the number of joined channels and the error. A refused join must change nothing.
func (w world) joinUntil(s *boreas.Session, most int, name func(i int) string) (n int, err error) {
	w.Helper()
	for ; n < most; n++ {
		if err := s.Join(context.Background(), []boreas.Join{{Channel: name(n), Info: []byte(`"i"`)}}, nil)[0].Err; err != nil {
			return n, err
		}
	}
	return n, nil
}

// Channels that clients invent have a limit of their own, so history stays. Every way of leaving
// frees the memory.
func TestJoinedChannelsAreBounded(t *testing.T) {
	rules := ruleFor("room.**", boreas.Rule{Presence: boreas.PresenceFull})
	o := boreas.Options{ChannelMemory: 1 << 20, Rules: rules, MaxChannels: 1 << 20, PresenceLinger: 5 * time.Second}
	inWorld(t, o, func(w world) {
		w.publish("news", "1")
		for name, leave := range map[string]func(s *boreas.Session, names []string){
			"leaves":               func(s *boreas.Session, names []string) { s.Leave(names...) },
			"ends":                 func(s *boreas.Session, _ []string) { s.End(boreas.ErrTerminated) },
			"is lost":              func(s *boreas.Session, _ []string) { s.Lost(boreas.ErrLeft) },
			"loses its connection": func(s *boreas.Session, _ []string) { s.Lost(boreas.ErrPingTimeout) },
			"becomes anonymous":    func(s *boreas.Session, _ []string) { s.Deauthenticate() },
		} {
			for _, prefix := range []string{"made.up.", "room."} {
				s, _ := w.subscriber()
				var names []string
				n, err := w.joinUntil(s, 10_000, func(i int) string {
					names = append(names, fmt.Sprint(prefix, i))
					return names[i]
				})
				least, most := 1000, 1500
				if prefix == "room." {
					least, most = 400, 600
				}
				if err != boreas.ErrTooManyJoinedChannels || n < least || n > most {
					t.Errorf("a session that %s: %d channels of %s, then %v", name, n, prefix, err)
				}
				// The last channel may exceed the limit.
				if got := w.hub.Stats().ChannelBytes; got > 1<<20+4096 || got < 1<<20-4096 {
					t.Errorf("a session that %s: %d bytes are counted", name, got)
				}
				if h, err := w.hub.History(context.Background(), "news", engine.Position{}, engine.Limit{Messages: 10}); err != nil || len(h.Publications) != 1 {
					t.Errorf("a session that %s: %d messages of history, %v", name, len(h.Publications), err)
				}
				leave(s, names)
				w.pass(6 * time.Second) // a session that may reconnect keeps its place for a while
				if got := w.hub.Stats().ChannelBytes; got != 0 {
					t.Errorf("a session that %s, with %s: %d bytes are still counted", name, prefix, got)
				}
			}
		}
	})
}

// When a new token replaces the user's info, the new info is counted instead of the old.
func TestChannelBytesCountNewInfo(t *testing.T) {
	o := boreas.Options{Rules: ruleFor("room", boreas.Rule{Presence: boreas.PresenceFull})}
	inWorld(t, o, func(w world) {
		s, _ := w.as(boreastest.Grant("a", "ann"), "room")
		before := w.hub.Stats().ChannelBytes
		g := boreastest.Grant("b", "ann")
		g.Info = `"` + strings.Repeat("i", 500) + `"`
		if err := s.Authenticate(g); err != nil {
			t.Fatal(err)
		}
		if got := w.hub.Stats().ChannelBytes - before; got != 502 {
			t.Errorf("info of 502 bytes adds %d bytes", got)
		}
		s.End(boreas.ErrLeft)
		if got := w.hub.Stats().ChannelBytes; got != 0 {
			t.Errorf("%d bytes are still counted", got)
		}
	})
}

// A channel with many sessions costs little more than one with few. So a crowd is not a reason to
// refuse another subscriber.
func TestManySubscribersCostLittle(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		for range 1000 {
			w.subscriber("news")
		}
		if got := w.hub.Stats().ChannelBytes; got > 150<<10 {
			t.Errorf("1,000 subscribers of a channel cost %d bytes", got)
		}
	})
}

// The channels of all sessions from one address are limited together. An IPv6 /64 is one address.
func TestChannelsOfAnAddressAreBounded(t *testing.T) {
	o := boreas.Options{MaxAddressChannels: 3, MaxUserChannels: 5, ExemptAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	inWorld(t, o, func(w world) {
		one, _ := w.from("2001:db8::1", 1<<20)
		two, _ := w.from("2001:db8::2", 1<<20)
		other, _ := w.from("2001:db8:0:1::1", 1<<20)
		w.join(one, "a")
		w.join(one, "b")
		w.join(two, "a")
		if err := join(two, "b"); err != boreas.ErrTooManyAddressChannels {
			t.Errorf("a fourth channel: %v", err)
		}
		w.join(two, "a") // again
		w.join(other, "b")
		one.Leave("b", "nowhere")
		w.join(two, "b")
		if err := join(one, "b"); err != boreas.ErrTooManyAddressChannels {
			t.Errorf("a fourth channel, again: %v", err)
		}
		two.End(boreas.ErrTerminated)
		w.join(one, "b")
		w.join(one, "c")
		here, _ := w.from("127.0.0.1", 1<<20)
		for i := range 10 {
			w.join(here, fmt.Sprint(i))
		}
		// A join that is refused because of the address does not count for the user.
		g := grantOf(t, "u", access.Permission{Pattern: "**", Allow: access.AllVerbs})
		for range 2 {
			s, _ := w.from("192.0.2.1", 1<<20)
			if err := s.Authenticate(g); err != nil {
				t.Fatal(err)
			}
			n, err := w.joinUntil(s, 10, func(i int) string { return fmt.Sprint(i) })
			if n != 3 || err != boreas.ErrTooManyAddressChannels {
				t.Errorf("%d channels, then %v", n, err)
			}
			s.Lost(boreas.ErrLeft)
			s.Done()
		}
	})
}

// ChannelBytes is at least the real cost of the channels, and not much more.
func TestChannelBytesMatchesMemory(t *testing.T) {
	long := strings.Repeat("x", 230)
	rules := ruleFor("room.**", boreas.Rule{Presence: boreas.PresenceFull})
	for _, c := range []struct {
		name           string
		sessions, each int
		channel        func(i, j int) string
		watch          bool
		info           int
	}{
		{"short names made up", 10, 300, func(i, j int) string { return fmt.Sprint("made.up.", i, ".", j) }, false, 0},
		{"long names made up", 10, 300, func(i, j int) string { return fmt.Sprint(long, i, ".", j) }, false, 0},
		{"the same names", 100, 100, func(_, j int) string { return fmt.Sprint("made.up.", j) }, false, 0},
		{"rooms made up, watched", 10, 100, func(i, j int) string { return fmt.Sprint("room.", i, ".", j) }, true, boreas.MaxInfo},
		{"the same rooms", 40, 100, func(_, j int) string { return fmt.Sprint("room.", j) }, false, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := boreas.New(boreas.Options{Rules: rules, Sweepers: 1})
			defer h.Shutdown(context.Background(), 0)
			var all []*boreas.Session
			for i := range c.sessions {
				conn := &boreastest.Conn{Form: boreastest.Announcing{}}
				s, err := conn.Open(h)
				if err != nil {
					t.Fatal(err)
				}
				s.Authenticate(boreastest.Grant(fmt.Sprint("user-", i), fmt.Sprint("user-", i)))
				all = append(all, s)
			}
			info := append(append([]byte{'"'}, bytes.Repeat([]byte("i"), max(c.info-2, 0))...), '"')
			before := heapInUse()
			for i, s := range all {
				for j := range c.each {
					if r := s.Join(context.Background(), []boreas.Join{{Channel: c.channel(i, j), Watch: c.watch, Info: info}}, nil)[0]; r.Err != nil {
						t.Fatal(r.Err)
					}
				}
			}
			after := heapInUse()
			took, counted := float64(after-before), float64(h.Stats().ChannelBytes)
			t.Logf("%.0f bytes per channel, %.0f are counted", took/float64(c.sessions*c.each), counted/float64(c.sessions*c.each))
			if took > 1.05*counted || took < 0.6*counted {
				t.Errorf("%.0f bytes are used, %.0f are counted", took, counted)
			}
			runtime.KeepAlive(all)
		})
	}
}
