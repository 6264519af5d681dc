package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

func TestDeliversOnceAndInOrder(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		w.publish("news", "before")
		_, a := w.subscriber("news")
		w.publish("news", "1")
		_, b := w.subscriber("news", "sport")
		w.publish("news", "2")
		w.publish("sport", "goal")
		w.publish("other", "nobody")
		w.settle()
		w.publish("news", "3")
		w.want(a, "news 2 1", "news 3 2", "news 4 3")
		w.want(b, "news 3 2", "sport 1 goal", "news 4 3")
	})
}

func TestJoinTwice(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news", "news")
		w.publish("news", "1")
		w.want(c, "news 1 1")
		if got := w.hub.ChannelIdentities("news"); !cmp.Equal(got, []string{"user"}) {
			t.Errorf("on the channel: %q", got)
		}
		s.Leave("news")
		s.Leave("news")
		s.Leave("never joined")
		w.publish("news", "2")
		w.want(c, "news 1 1")
		w.join(s, "news")
		w.publish("news", "3")
		w.want(c, "news 1 1", "news 3 3")
	})
}

func TestManyPublicationsTakeFewWrites(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		// During the first write 100 more messages are published.
		c := &boreastest.Conn{}
		first := true
		c.OnWrite = func() {
			if first {
				first = false
				for i := 2; i <= 101; i++ {
					w.publish("news", fmt.Sprint(i))
				}
			}
		}
		w.subscribe(c, "news")
		w.publish("news", "1")
		w.want(c, span("news", 1, 101)...)
		if c.Writes() != 2 {
			t.Errorf("%d writes, want 2", c.Writes())
		}
		if s := w.hub.Stats(); s.Deliveries != 101 || s.Writes != 2 || s.Batches[0] != 1 || s.Batches[7] != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestLargeChannelDeliversToAll(t *testing.T) {
	inWorld(t, boreas.Options{Sweepers: 3}, func(w world) {
		var conns []*boreastest.Conn
		var sessions []*boreas.Session
		for range 1000 { // several groups
			s, c := w.subscriber("news")
			conns, sessions = append(conns, c), append(sessions, s)
		}
		for i := 1; i <= 20; i++ {
			w.publish("news", fmt.Sprint(i))
		}
		for _, c := range conns {
			w.want(c, span("news", 1, 20)...)
		}
		for _, s := range sessions[:600] {
			s.Leave("news")
		}
		w.publish("news", "21")
		for i, c := range conns {
			last := 20
			if i >= 600 {
				last = 21
			}
			w.want(c, span("news", 1, last)...)
		}
	})
}

func TestAnonymousSessionsCannotJoin(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c, _ := boreastest.Open(w.hub)
		if err := join(s, "news"); err != access.ErrAnonymous {
			t.Errorf("join: %v", err)
		}
		w.publish("news", "1")
		w.want(c)
	})
}

func TestIdentities(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		a, ac := w.subscriber("news", "sport")
		b, _ := w.subscriber("news")
		boreastest.Open(w.hub)
		b.Authenticate(boreastest.Grant("b", "b"))
		a.Authenticate(boreastest.Grant("a", "a")) // keeps the channels
		check := func(want boreas.Counts) {
			t.Helper()
			if diff := cmp.Diff(want, w.hub.Counts()); diff != "" {
				t.Errorf("Counts (-want +got):\n%s", diff)
			}
		}
		check(boreas.Counts{
			Anonymous:  1,
			Identities: []boreas.Count{{Name: "a", Sessions: 1}, {Name: "b", Sessions: 1}},
			Channels:   []boreas.Count{{Name: "news", Sessions: 2}, {Name: "sport", Sessions: 1}},
		})
		if got := w.hub.ChannelIdentities("news"); !cmp.Equal(got, []string{"a", "b"}) {
			t.Errorf("on news: %q", got)
		}
		w.publish("sport", "1")
		if n := w.hub.Deauthenticate("a"); n != 1 {
			t.Errorf("Deauthenticate: %d, want 1", n)
		}
		if n := w.hub.Deauthenticate("nobody"); n != 0 {
			t.Errorf("Deauthenticate of nobody: %d, want 0", n)
		}
		w.publish("news", "1")
		check(boreas.Counts{
			Anonymous:  2,
			Identities: []boreas.Count{{Name: "b", Sessions: 1}},
			Channels:   []boreas.Count{{Name: "news", Sessions: 1}},
		})
		b.End(io.EOF)
		check(boreas.Counts{Anonymous: 2, Identities: []boreas.Count{}, Channels: []boreas.Count{}})
		if got := w.hub.ChannelIdentities("news"); got == nil || len(got) > 0 {
			t.Errorf("on news: %#v, want an empty list", got)
		}
		w.settle()
		for _, line := range ac.Lines() {
			if strings.HasPrefix(line, "news") {
				t.Errorf("%q after Deauthenticate", line)
			}
		}
	})
}

func TestBounds(t *testing.T) {
	inWorld(t, boreas.Options{MaxSessions: 2, MaxChannels: 2}, func(w world) {
		s, _ := w.subscriber("a", "b")
		if err := join(s, "c"); err != boreas.ErrTooManyChannels {
			t.Errorf("third channel: %v", err)
		}
		if err := join(s, "a"); err != nil {
			t.Errorf("a joined channel: %v", err)
		}
		for _, name := range []string{"", strings.Repeat("x", 256), "a\nb", "\xff"} {
			if err := join(s, name); !errors.Is(err, access.ErrChannelName) {
				t.Errorf("join %q: %v", name, err)
			}
			if _, err := w.hub.Publish(context.Background(), name, engine.Message{}); !errors.Is(err, access.ErrChannelName) {
				t.Errorf("publish on %q: %v", name, err)
			}
		}
		s.Leave("a")
		w.join(s, "č/日本 ☃")
		w.subscriber()
		if _, _, err := boreastest.Open(w.hub); err != boreas.ErrTooManySessions {
			t.Errorf("third session: %v", err)
		}
		s.End(io.EOF)
		w.settle()
		w.subscriber()
		if got := w.hub.Stats(); got.SessionsRefused != 1 || got.JoinsRefused != 1 || got.SessionsOpened != 3 {
			t.Errorf("refused %d sessions and %d joins, opened %d; want 1, 1, 3", got.SessionsRefused, got.JoinsRefused, got.SessionsOpened)
		}
	})
}

func TestSendComesBeforeUnwrittenPublications(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		s.Send([]byte("hello\n"))
		c.Bound(3)
		w.publish("news", "1")
		w.settle()
		s.Send([]byte("answer\n"))
		w.publish("news", "2")
		w.settle()
		c.Unbound()
		w.want(c, "hello", "news 1 1", "answer", "news 2 2")
	})
}

func TestTooManyUnreadAnswers(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber()
		c.Bound(0)
		for range 65 {
			s.Send(make([]byte, 1000))
		}
		w.settle()
		if w.hub.Stats().Ended.Backlog != 0 {
			t.Fatal("ended too early")
		}
		s.Send(make([]byte, 1000))
		w.settle()
		if got := w.hub.Stats().Ended.Backlog; got != 1 {
			t.Errorf("ended for backlog: %d", got)
		}
		w.pass(time.Minute)
		w.settle()
		if c.Reason() != boreas.ErrBacklog {
			t.Errorf("reason: %v", c.Reason())
		}
	})
}

func TestPings(t *testing.T) {
	o := boreas.Options{PingInterval: 64 * time.Second, PongTimeout: 10 * time.Second}
	inWorld(t, o, func(w world) {
		ac := new(boreastest.Conn)
		ac.OnWrite = func() { go ac.Session().Alive() }
		w.subscribe(ac)
		_, dc := w.subscriber()
		_, sc := w.subscriber()
		sc.Bound(0) // accepts nothing, not even the ping
		pings := 0
		yc := new(boreastest.Conn)
		yc.OnWrite = func() {
			if pings++; pings == 1 {
				go yc.Session().Alive()
			}
		}
		w.subscribe(yc)
		start := time.Now()
		go func() {
			<-dc.Finished()
			// It has the second of 64 slots. Its first turn is after 2 s, which is too early for a
			// ping; the next is 64 s later. The session ends 10 s after that ping.
			if got := time.Since(start); got != 76*time.Second {
				t.Errorf("the session without answers ended after %v", got)
			}
		}()
		w.pass(5 * time.Minute)
		w.want(ac, "ping", "ping", "ping", "ping")
		w.want(dc, "ping", "end: no answer to ping")
		w.want(yc, "ping", "ping", "end: no answer to ping")
		if dc.Reason() != boreas.ErrPingTimeout || sc.Reason() != boreas.ErrPingTimeout || ac.Reason() != nil {
			t.Errorf("reasons: %v, %v, %v", dc.Reason(), sc.Reason(), ac.Reason())
		}
		if n := w.hub.Stats().Ended.PingTimeout; n != 3 {
			t.Errorf("%d sessions ended, want 3", n)
		}
	})
}

func TestAnonymousTimeout(t *testing.T) {
	inWorld(t, boreas.Options{AnonymousTimeout: 30 * time.Second}, func(w world) {
		_, ac, _ := boreastest.Open(w.hub)
		_, uc := w.subscriber()
		w.pass(29 * time.Second)
		w.want(ac)
		w.pass(3 * time.Second)
		w.want(ac, "end: not authenticated in time")
		w.want(uc)
	})
}

func TestLostConnectionEndsItsSession(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		_, c := w.subscriber("news")
		c.Lose(io.ErrClosedPipe)
		w.publish("news", "1")
		w.settle()
		if c.Reason() != io.ErrClosedPipe {
			t.Errorf("reason: %v", c.Reason())
		}
		if got := w.hub.Stats(); got.Subscriptions != 0 || got.Channels != 0 || got.Closing != 0 {
			t.Errorf("left behind: %+v", got)
		}
	})
}

func TestShutdownSpreadsTheEnds(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		ended := make(chan time.Duration, 10)
		start := time.Now()
		for range 10 {
			_, c := w.subscriber("news")
			go func() {
				<-c.Finished()
				ended <- time.Since(start)
			}()
		}
		if err := w.hub.Shutdown(context.Background(), 10*time.Second); err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		for i := range 10 {
			if got, want := <-ended, time.Duration(i/5)*10*time.Millisecond; got != want { // 500 per second
				t.Errorf("session %d ended after %v, want %v", i, got, want)
			}
		}
		if _, _, err := boreastest.Open(w.hub); err != boreas.ErrShuttingDown {
			t.Errorf("open: %v", err)
		}
	})
}

func TestShutdownObeysItsContext(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		_, c := w.subscriber("news")
		c.Bound(0)
		w.publish("news", "1")
		w.settle()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.hub.Shutdown(ctx, 0); err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v", err)
		}
		if c.Reason() != boreas.ErrShuttingDown {
			t.Errorf("reason: %v", c.Reason())
		}
	})
}

// A reserved session has no connection yet, so nothing may write to it.
func TestReservedSessionIsNotPinged(t *testing.T) {
	inWorld(t, boreas.Options{MaxSessions: 1, PingInterval: time.Second, AnonymousTimeout: time.Second}, func(w world) {
		s, err := w.hub.Reserve(netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if _, err := w.hub.Reserve(netip.Addr{}); err != boreas.ErrTooManySessions {
			t.Errorf("the reserved session does not count: %v", err)
		}
		go w.hub.Shutdown(context.Background(), 0)
		w.settle()
		if err := s.Start(&boreastest.Conn{}, boreastest.Text{}, nil); err != boreas.ErrShuttingDown {
			t.Errorf("Start during the shutdown: %v", err)
		}
		s.Done()
	})
}

func TestEndWritesEarlierPublications(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.subscriber("news")
		w.publish("news", "1")
		s.End(boreas.ErrShuttingDown) // before any sweeper has had its turn
		w.want(c, "news 1 1", "end: server is shutting down")
	})
}
