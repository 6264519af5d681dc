package boreas_test

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
)

// clauses 8.3, 8.5: each session receives its slot at once, works until then, and ends in that
// order. The slots are spread according to the number of sessions, over at most the drain time.
func TestSlotsOnShutdown(t *testing.T) {
	const drain = 4 * time.Second
	for sessions, last := range map[int]time.Duration{
		2:    0, // as soon as possible, because no other session reconnects
		100:  190 * time.Millisecond,
		1000: 1990 * time.Millisecond,
		4000: 3990 * time.Millisecond, // more than the drain time has slots for
	} {
		inWorld(t, boreas.Options{}, func(w world) {
			var conns []*boreastest.Conn
			for range sessions {
				_, c := w.announced("news")
				conns = append(conns, c)
			}
			_, classic := w.subscriber("news")
			done := make(chan error, 1)
			start := time.Now()
			go func() { done <- w.hub.Shutdown(context.Background(), drain) }()
			w.settle()
			if sessions > 2 { // with two sessions, no session remains after that
				w.publish("news", "1")
				w.settle()
			}
			told := map[*boreastest.Conn]time.Duration{} // no slot means that the session ended at once
			for _, c := range conns {
				lines := c.Lines()
				rest, announced := strings.CutPrefix(lines[0], "goodbye in ")
				if !announced {
					continue
				}
				text, _, _ := strings.Cut(rest, ":")
				var err error
				if told[c], err = time.ParseDuration(text); err != nil || lines[1] != "news 1 1" {
					t.Errorf("%d sessions: %v: a session received %q", sessions, err, lines)
				}
			}
			slices.SortFunc(conns, func(a, b *boreastest.Conn) int { return int(told[a] - told[b]) })
			for i, c := range conns {
				<-c.Finished()
				if after := time.Since(start); after != told[c] {
					t.Errorf("%d sessions: session %d received the slot %v and ended after %v", sessions, i, told[c], after)
					break
				}
			}
			if got := told[conns[sessions-1]]; got != last {
				t.Errorf("%d sessions: the last one ended after %v, want %v", sessions, got, last)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			if got := classic.Lines(); !strings.HasPrefix(got[len(got)-1], "end") || strings.Contains(classic.Taken(), "goodbye") {
				t.Errorf("the classic session received %q", got)
			}
		})
	}
}

// clause 3.6: when its token is revoked, a session that can receive announcements ends, and a
// classic session becomes anonymous.
func TestRevoked(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		_, told := w.announced("news")
		_, classic := w.subscriber("news")
		if n := w.hub.Deauthenticate("user"); n != 2 {
			t.Errorf("%d sessions", n)
		}
		w.publish("news", "1")
		w.want(told, "end: "+boreas.ErrRevoked.Error())
		w.want(classic)
		if classic.Reason() != nil {
			t.Errorf("the classic session ended: %v", classic.Reason())
		}
	})
}

// clause 3.1: the greeting comes before everything else, even if the server is shutting down.
func TestGreetingComesFirst(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, err := w.hub.Reserve(netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		c := &boreastest.Conn{Form: boreastest.Announcing{}}
		if err := c.Adopt(s, func(id string) []byte {
			go w.hub.Shutdown(context.Background(), time.Second)
			for {
				other, err := w.hub.Reserve(netip.Addr{})
				if err != nil {
					break // the goodbye is queued
				}
				other.Done()
				runtime.Gosched()
			}
			return []byte("hello " + id + "\n")
		}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		lines := c.Lines()
		if len(lines) < 2 || lines[0] != "hello "+s.ID() {
			t.Errorf("got %q", lines)
		}
	})
}

// clause 2.8: one answer may be large; many unread answers end the session.
func TestUnreadAnswersEndTheSession(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.announced()
		large := []byte(strings.Repeat("a", 200<<10) + "\n")
		s.Send(large)
		w.settle()
		c.Bound(10)
		s.Send(large)
		w.settle()
		if c.Reason() != nil {
			t.Fatalf("ended: %v", c.Reason())
		}
		s.Send([]byte("one more\n"))
		s.Send([]byte(strings.Repeat("a", 64<<10) + "\n"))
		w.settle()
		c.Unbound()
		w.settle()
		if c.Reason() != boreas.ErrBacklog {
			t.Errorf("ended: %v", c.Reason())
		}
	})
}

// clause 8.1: a session that was promised heartbeats receives something in each interval, including
// the first one.
func TestHeartbeatInEachInterval(t *testing.T) {
	const interval = 64 * time.Second
	inWorld(t, boreas.Options{PingInterval: interval}, func(w world) {
		var conns []*boreastest.Conn
		for range 64 { // one session in each slot
			c := &boreastest.Conn{Form: boreastest.Announcing{}}
			c.OnWrite = func() { go c.Session().Alive() } // the client answers pings
			w.subscribe(c)
			conns = append(conns, c)
			w.pass(700 * time.Millisecond)
		}
		for range 3 {
			before := make([]int, len(conns))
			for i, c := range conns {
				before[i] = len(c.Lines())
			}
			w.pass(interval + time.Second) // and one more tick
			for i, c := range conns {
				if len(c.Lines()) == before[i] {
					t.Errorf("session %d received nothing for %v", i, interval)
				}
			}
		}
	})
}

// clause 2.8: AwaitAnswered waits until the answers are read or the session has ended, but at most
// a minute.
func TestAwaitAnswered(t *testing.T) {
	for _, c := range []struct {
		name   string
		act    func(*boreas.Session, *boreastest.Conn)
		after  time.Duration
		reason error
	}{
		{"read", func(_ *boreas.Session, c *boreastest.Conn) { c.Unbound() }, 10 * time.Second, nil},
		{"ended", func(s *boreas.Session, _ *boreastest.Conn) { s.Lost(context.Canceled) }, 10 * time.Second, context.Canceled},
		{"never", func(*boreas.Session, *boreastest.Conn) {}, time.Minute, nil}, // its final bytes cannot be written either
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, boreas.Options{}, func(w world) {
				s, conn := w.announced()
				s.AwaitAnswered() // there are no answers
				conn.Bound(1)
				s.Send([]byte("an answer\n"))
				start := time.Now()
				done := make(chan time.Duration)
				go func() { s.AwaitAnswered(); done <- time.Since(start) }()
				w.pass(10 * time.Second)
				c.act(s, conn)
				if got := (<-done).Round(time.Second); got != c.after {
					t.Errorf("waited %v, want %v", got, c.after)
				}
				w.settle()
				if conn.Reason() != c.reason {
					t.Errorf("ended: %v", conn.Reason())
				}
				if n := w.hub.Stats().Ended.Backlog; (n == 1) != (c.name == "never") {
					t.Errorf("%d sessions ended because of their backlog", n)
				}
				conn.Unbound()
			})
		})
	}
}

// clause 8.1: a client that reads slowly counts as alive, though it has not read the ping yet. A
// client that reads nothing more does not.
func TestSlowReaderIsAlive(t *testing.T) {
	o := boreas.Options{PingInterval: 64 * time.Second, PongTimeout: 10 * time.Second}
	inWorld(t, o, func(w world) {
		_, c := w.announced("news")
		c.Bound(0)
		w.publishUpTo("news", 1, 1000)
		for i := range 100 { // less than the history keeps
			c.Bound(20)
			w.pass(2 * time.Second)
			if err := c.Reason(); err != nil {
				t.Fatalf("ended after %d s: %v", 2*i, err)
			}
		}
		w.pass(2 * time.Minute)
		c.Unbound()
		w.settle()
		if err := c.Reason(); err != boreas.ErrPingTimeout {
			t.Errorf("a client that reads nothing: %v", err)
		}
	})
}

// A hub that ends its sessions for another reason accepts new ones meanwhile. When its context ends,
// the other sessions stay.
func TestEndSessions(t *testing.T) {
	const sessions = 10
	for allowed, ended := range map[time.Duration]int{time.Second: sessions, 0: sessions / 2} {
		inWorld(t, boreas.Options{}, func(w world) {
			var conns []*boreastest.Conn
			for range sessions {
				_, c := w.announced("news")
				conns = append(conns, c)
			}
			ctx, cancel := context.WithTimeout(w.Context(), allowed)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- w.hub.EndSessions(ctx, boreas.ErrNodeIsolated, time.Minute) }()
			w.settle()
			s, _ := w.announced("news")
			if err := <-done; err != ctx.Err() {
				t.Errorf("got %v, want %v", err, ctx.Err())
			}
			n := 0
			for _, c := range conns {
				select {
				case <-c.Finished():
					if n++; c.Reason() != boreas.ErrNodeIsolated {
						t.Errorf("a session ended with %v", c.Reason())
					}
				default:
				}
			}
			if n != ended {
				t.Errorf("%d sessions have ended, want %d", n, ended)
			}
			if _, err := w.hub.SessionInfo(s.ID()); err != nil {
				t.Errorf("the new session: %v", err)
			}
			if got := w.hub.Stats().Ended.NodeIsolated; got != uint64(ended) {
				t.Errorf("%d are counted, want %d", got, ended)
			}
		})
	}
}
