package boreas

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/google/go-cmp/cmp"
)

// theRoom is a presence with one watcher, inside a synctest bubble.
type theRoom struct {
	*testing.T
	*presence
	sub *subscription
}

func inRoom(t *testing.T, o presenceOptions, test func(r theRoom)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := new(queue)
		q.init()
		r := theRoom{t, newPresence(q, "chat", o), nil}
		defer r.close()
		test(r)
	})
}

// watching returns the room with a watcher that starts now.
func (r theRoom) watching() theRoom {
	r.sub = newSubscription(nil, r.events)
	r.watch(r.sub)
	return r
}

// heard returns the events that the watcher has not received yet.
func (r theRoom) heard() []string {
	r.Helper()
	return heard(r.T, r.sub)
}

func heard(t *testing.T, sub *subscription) (events []string) {
	t.Helper()
	pubs, _, ok := sub.channel().pending(nil, sub.life.Load(), sub.cursor.Load(), 1<<30)
	if !ok {
		t.Fatal("the window has passed the watcher")
	}
	for _, p := range pubs {
		events = append(events, string(p.Data))
		sub.cursor.Store(p.Offset)
	}
	return events
}

// hears checks the events that the watcher has received since the last check.
func (r theRoom) hears(when string, want ...string) {
	r.Helper()
	if diff := cmp.Diff(want, r.heard()); diff != "" {
		r.Errorf("%s, events:\n%s", when, diff)
	}
}

// is checks the snapshot.
func (r theRoom) is(when, want string) {
	r.Helper()
	var got strings.Builder
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r.state()); err != nil {
		r.Fatal(err)
	}
	if diff := cmp.Diff(want+"\n", got.String()); diff != "" {
		r.Errorf("%s, snapshot:\n%s", when, diff)
	}
}

// settle lets time pass, and waits until the bubble is idle.
func (r theRoom) settle(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// release returns a function that counts its calls, and the count.
func release() (func(), *atomic.Int32) {
	n := new(atomic.Int32)
	return func() { n.Add(1) }, n
}

func (r theRoom) released(when string, n *atomic.Int32, want int32) {
	r.Helper()
	if n := n.Load(); n != want {
		r.Errorf("%s: released %d times, want %d", when, n, want)
	}
}

var full = presenceOptions{mode: PresenceFull, linger: 5 * time.Second}

// clauses 9.1, 9.4, 9.5
func TestPresenceEventsOfFirstAndLastSessions(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		r.is("at first", `{"users":0,"sessions":0,"members":[]}`)
		r = r.watching()
		r.enter("s1", "u1", []byte(`{"name":"Ann & Bob", "x": [1, 2]}`))
		r.hears("first in", `{"event":"join","user":"u1","info":{"name":"Ann & Bob","x":[1,2]},"users":1,"sessions":1}`)
		r.enter("s2", "u1", []byte(`"other"`))
		r.hears("second in")
		r.enter("s3", "u2", nil)
		r.hears("another", `{"event":"join","user":"u2","users":2,"sessions":3}`)
		r.leave("s1", "u1")
		r.leave("s1", "u1")
		r.leave("s2", "u2")
		r.leave("s9", "u1")
		r.hears("first out, and sessions that are not present")
		r.is("between", `{"users":2,"sessions":2,"members":[`+
			`{"user":"u1","sessions":["s2"],"info":{"name":"Ann & Bob","x":[1,2]}},{"user":"u2","sessions":["s3"]}]}`)
		r.leave("s2", "u1")
		r.hears("last out", `{"event":"leave","user":"u1","users":1,"sessions":1}`)
		r.enter("s4", "u1", []byte(`"other"`))
		r.hears("back", `{"event":"join","user":"u1","info":"other","users":2,"sessions":2}`)
		r.leave("s4", "u1")
		r.leave("s3", "u2")
		r.hears("all gone", `{"event":"leave","user":"u1","users":1,"sessions":1}`, `{"event":"leave","user":"u2","users":0,"sessions":0}`)
		r.is("at the end", `{"users":0,"sessions":0,"members":[]}`)
	})
}

// A session whose user changes enters as the new user and leaves as the old one, in either order.
func TestPresenceSessionChangesUser(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		r.enter("s1", "u1", []byte(`1`))
		r = r.watching()
		r.leave("s1", "u1")
		r.enter("s1", "u2", []byte(`2`))
		r.hears("a change", `{"event":"leave","user":"u1","users":0,"sessions":0}`, `{"event":"join","user":"u2","info":2,"users":1,"sessions":1}`)
		r.is("after it", `{"users":1,"sessions":1,"members":[{"user":"u2","sessions":["s1"],"info":2}]}`)
		r.enter("s1", "u3", nil)
		r.leave("s1", "u2")
		r.hears("another", `{"event":"leave","user":"u2","users":0,"sessions":0}`, `{"event":"join","user":"u3","users":1,"sessions":1}`)
		r.is("after it", `{"users":1,"sessions":1,"members":[{"user":"u3","sessions":["s1"]}]}`)
	})
}

// One goroutine takes a session off a channel, and another one joins it again before the first has
// called leave.
func TestPresenceEnterBeforeLeave(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		r = r.watching()
		r.enter("s1", "u1", nil)
		r.enter("s1", "u1", nil)
		r.leave("s1", "u1")
		r.is("back", `{"users":1,"sessions":1,"members":[{"user":"u1","sessions":["s1"]}]}`)
		r.enter("s1", "u1", nil)
		release, n := release()
		r.linger("s1", "u1", release)
		r.released("back again", n, 1)
		r.leave("s1", "u1")
		r.hears("in and out once", `{"event":"join","user":"u1","users":1,"sessions":1}`, `{"event":"leave","user":"u1","users":0,"sessions":0}`)
	})
}

// clauses 9.2, 9.3
func TestPresenceSnapshot(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		for i, user := range []string{"b", "ä", "a", "b", "", "B", "b"} {
			r.enter(fmt.Sprint("s", i), user, fmt.Appendf(nil, " %d ", i))
		}
		r.leave("s3", "b")
		r.enter("s3", "b", nil)
		r.is("sorted by user, sessions oldest first", `{"users":5,"sessions":7,"members":[`+
			`{"user":"","sessions":["s4"],"info":4},{"user":"B","sessions":["s5"],"info":5},{"user":"a","sessions":["s2"],"info":2},`+
			`{"user":"b","sessions":["s0","s6","s3"],"info":0},{"user":"ä","sessions":["s1"],"info":1}]}`)
	})
}

func TestPresenceInfo(t *testing.T) {
	long := `"` + strings.Repeat("x", MaxInfo-2) + `"`
	for _, c := range []struct{ info, want string }{
		{``, ``},
		{` `, ``},
		{`null`, `null`},
		{`false`, `false`},
		{"{\n\"a\" : \"<b>\"\n}", `{"a":"<b>"}`},
		{`{"a":`, ``},
		{`1 2`, ``},
		{long, long},
		{long + " ", ``},
	} {
		if got := string(cleanInfo([]byte(c.info))); got != c.want {
			t.Errorf("info %.20q: %.40q, want %.40q", c.info, got, c.want)
		}
	}
	inRoom(t, full, func(r theRoom) {
		info := []byte(`"mine"`)
		r.enter("s1", "u1", info)
		copy(info, `"yours"`)
		r.is("after the caller used its array again", `{"users":1,"sessions":1,"members":[{"user":"u1","sessions":["s1"],"info":"mine"}]}`)
	})
}

func TestPresenceSnapshotsAreBounded(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		for i := range MaxMemberSessions + 5 {
			r.enter(fmt.Sprint("s", i), "u1", nil)
		}
		s := r.state()
		if n := len(s.Members[0].Sessions); n != MaxMemberSessions || s.Sessions != MaxMemberSessions+5 {
			t.Errorf("%d of %d sessions are named", n, s.Sessions)
		}
	})
}

// clause 9.6
func TestPresenceLingers(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		r = r.watching()
		r.enter("s1", "u1", []byte(`1`))
		r.heard()
		release, n := release()
		r.linger("s1", "u1", release)
		r.leave("s1", "u1")
		r.settle(5*time.Second - 1)
		r.hears("a moment before its time")
		r.is("a moment before its time", `{"users":1,"sessions":1,"members":[{"user":"u1","sessions":["s1"],"info":1}]}`)
		r.released("a moment before its time", n, 0)
		r.settle(1)
		r.hears("at its time", `{"event":"leave","user":"u1","users":0,"sessions":0}`)
		r.is("at its time", `{"users":0,"sessions":0,"members":[]}`)
		r.released("at its time", n, 1)
		r.close()
		r.released("closed", n, 1)
	})
}

// clause 9.6
func TestPresenceUserReconnects(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		r = r.watching()
		r.enter("s1", "u1", []byte(`1`))
		r.heard()
		release, n := release()
		r.linger("s1", "u1", release)
		r.settle(4 * time.Second)
		r.enter("s2", "u1", []byte(`2`))
		r.is("back", `{"users":1,"sessions":1,"members":[{"user":"u1","sessions":["s2"],"info":1}]}`)
		r.settle(time.Second)
		r.released("when the first session's time is over", n, 1)
		r.settle(time.Hour)
		r.hears("later")
		r.is("later", `{"users":1,"sessions":1,"members":[{"user":"u1","sessions":["s2"],"info":1}]}`)
		r.leave("s2", "u1")
		r.hears("out", `{"event":"leave","user":"u1","users":0,"sessions":0}`)
		r.released("at last", n, 1)
	})
}

func TestPresenceUserReconnectsAndLeaves(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		r = r.watching()
		r.enter("s1", "u1", nil)
		release, n := release()
		r.linger("s1", "u1", release)
		r.enter("s2", "u1", nil)
		r.heard()
		r.leave("s2", "u1") // left on purpose, so it does not linger
		r.hears("gone", `{"event":"leave","user":"u1","users":0,"sessions":0}`)
		r.enter("s3", "u1", nil)
		r.hears("in again", `{"event":"join","user":"u1","users":1,"sessions":1}`)
		r.settle(time.Hour)
		r.hears("when the time of the first is over")
		r.released("then", n, 1)
	})
}

// clause 9.6
func TestPresenceUserLosesTwoSessions(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		r = r.watching()
		for _, s := range []string{"s1", "s2", "s3", "s4"} {
			r.enter(s, "u1", nil)
		}
		r.leave("s4", "u1")
		r.heard()
		release, n := release()
		r.linger("s2", "u1", release)
		r.settle(time.Second)
		r.linger("s1", "u1", release)
		r.linger("s3", "u1", release)
		r.enter("s5", "u1", nil)
		r.is("one is back", `{"users":1,"sessions":3,"members":[{"user":"u1","sessions":["s1","s3","s5"]}]}`)
		r.linger("s5", "u1", release)
		r.settle(4 * time.Second)
		r.released("the first one's time is over", n, 1)
		r.is("the first one's time is over", `{"users":1,"sessions":3,"members":[{"user":"u1","sessions":["s1","s3","s5"]}]}`)
		r.hears("the first one's time is over")
		r.settle(time.Second)
		r.released("nobody else came", n, 4)
		r.hears("nobody else came", `{"event":"leave","user":"u1","users":0,"sessions":0}`)
	})
}

func TestPresenceWithoutLinger(t *testing.T) {
	inRoom(t, presenceOptions{mode: PresenceFull}, func(r theRoom) {
		r = r.watching()
		r.enter("s1", "u1", nil)
		r.heard()
		release, n := release()
		r.linger("s1", "u1", release)
		r.hears("lost", `{"event":"leave","user":"u1","users":0,"sessions":0}`)
		r.released("lost", n, 1)
		r.linger("s1", "u1", release)
		r.released("lost, and not there", n, 2)
	})
}

func TestPresenceCloseReleasesAll(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		var calls []string
		for i := range 3 {
			s := fmt.Sprint("s", i)
			r.enter(s, s, nil)
			r.linger(s, s, func() {
				calls = append(calls, s)
				r.close() // as the release of a channel's last reference may do
			})
			r.settle(time.Second)
		}
		r.enter("s3", "u3", nil)
		r.close()
		if diff := cmp.Diff([]string{"s0", "s1", "s2"}, calls); diff != "" {
			t.Errorf("close:\n%s", diff)
		}
		if r.awayOver.Stop() {
			t.Error("close left the timer running")
		}
		r.linger("s3", "u3", func() { calls = append(calls, "late") })
		if diff := cmp.Diff([]string{"s0", "s1", "s2", "late"}, calls); diff != "" {
			t.Errorf("after close:\n%s", diff)
		}
	})
}

// clause 9.8
func TestPresenceResync(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		r = r.watching()
		r.enter("s1", "u1", nil)
		r.enter("s2", "u2", []byte(`2`))
		got := string(r.resync(r.sub))
		want := `{"event":"state","users":2,"sessions":2,"members":[{"user":"u1","sessions":["s1"]},{"user":"u2","sessions":["s2"],"info":2}]}`
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		r.hears("after it")
		r.leave("s1", "u1")
		r.hears("the next one", `{"event":"leave","user":"u1","users":1,"sessions":1}`)
		r.leave("s2", "u2")
		if got := string(r.resync(r.sub)); got != `{"event":"state","users":0,"sessions":0,"members":[]}` {
			t.Errorf("no users: %s", got)
		}
	})
}

func TestEmptyPresence(t *testing.T) {
	for mode, want := range map[PresenceMode]string{
		PresenceFull:  `{"users":0,"sessions":0,"members":[]}`,
		PresenceCount: `{"users":0,"sessions":0}`,
	} {
		got, err := json.Marshal(emptyPresence(mode))
		if err != nil || string(got) != want {
			t.Errorf("mode %d: %s, %v", mode, got, err)
		}
	}
}

// resync does the same as a session that has fallen behind the events.
func (p *presence) resync(sub *subscription) []byte {
	e := p.stateEvent()
	sub.cursor.Store(e.Offset)
	return e.Data
}

// Slow watchers share the event that stands for the events that they missed. After a change they
// share another one.
func TestStateEventIsShared(t *testing.T) {
	q := new(queue)
	q.init()
	p := newPresence(q, "chat", presenceOptions{mode: PresenceFull})
	sub := newSubscription(&Session{}, p.events)
	p.watch(sub)
	p.enter("s_1", "a", nil)
	first := p.stateEvent()
	if p.stateEvent() != first {
		t.Error("two events for one state")
	}
	p.enter("s_2", "a", nil) // causes no event of its own
	second := p.stateEvent()
	if second == first || second.Offset != first.Offset || string(second.Data) != `{"event":"state","users":1,"sessions":2,"members":[{"user":"a","sessions":["s_1","s_2"]}]}` {
		t.Errorf("after a change: %d %s", second.Offset, second.Data)
	}
}

// Publications read from a log are not written if the subscription has started again after them.
func TestOutdatedReadIsNotWritten(t *testing.T) {
	h := New(Options{})
	defer h.Shutdown(context.Background(), 0)
	s := &Session{hub: h}
	sub := newSubscription(s, h.newChannel("chat"))
	s.subs = []*subscription{sub}
	sub.cursor.Store(5)
	// A write would panic, because the session has no connection.
	o, err := s.writeHistory(sub, sub.life.Load(), engine.History{Publications: []*engine.Publication{{Offset: 4}}})
	if o != flushDone || err != nil || sub.cursor.Load() != 5 {
		t.Errorf("outcome %v, %v, cursor %d", o, err, sub.cursor.Load())
	}
}
