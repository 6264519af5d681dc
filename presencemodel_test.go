package boreas

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// naivePresence is who is there, as simply as can be.
type naivePresence struct {
	sessions []naiveSession // oldest first
	infos    map[string]string
	linger   time.Duration
}

type naiveSession struct {
	name, user string
	lostAt     time.Time // zero if it is not lost
}

func (n *naivePresence) users() []string {
	var all []string
	for _, s := range n.sessions {
		all = append(all, s.user)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (n *naivePresence) enter(name, user, info string) {
	if !slices.Contains(n.users(), user) {
		n.infos[user] = info
	}
	n.removeFirstLost(func(s naiveSession) bool { return s.user == user })
	n.sessions = append(n.sessions, naiveSession{name: name, user: user})
}

// removeFirstLost removes the session that was lost first, of those that are to go.
func (n *naivePresence) removeFirstLost(goes func(naiveSession) bool) (removed bool) {
	first := -1
	for i, s := range n.sessions {
		if !s.lostAt.IsZero() && goes(s) && (first < 0 || s.lostAt.Before(n.sessions[first].lostAt)) {
			first = i
		}
	}
	if first >= 0 {
		n.sessions = slices.Delete(n.sessions, first, first+1)
	}
	return first >= 0
}

// members are what a snapshot with members has.
func (n *naivePresence) members() []Member {
	all := []Member{}
	for _, user := range n.users() {
		m := Member{User: user, Info: json.RawMessage(n.infos[user])}
		for _, s := range n.sessions {
			if s.user == user {
				m.Sessions = append(m.Sessions, s.name)
			}
		}
		all = append(all, m)
	}
	return all
}

// presenceView is what one who watches knows.
type presenceView struct {
	sub   *subscription
	state PresenceState
	at    time.Time // of the last count
}

// apply applies an event, and returns what is wrong with it.
func (v *presenceView) apply(data []byte, at time.Time) error {
	var e PresenceEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	i, there := slices.BinarySearchFunc(v.state.Members, e.User, func(m Member, user string) int {
		switch {
		case m.User < user:
			return -1
		case m.User > user:
			return 1
		}
		return 0
	})
	counted := v.state.Members == nil
	switch {
	case e.Event == "join" && !counted && !there:
		v.state.Members = slices.Insert(v.state.Members, i, Member{User: e.User, Info: e.Info})
	case e.Event == "leave" && !counted && there:
		v.state.Members = slices.Delete(v.state.Members, i, i+1)
	case e.Event == "count" && e.Members == nil, e.Event == "state" && e.Members != nil && counted:
		v.state.Members = e.Members
		if took := at.Sub(v.at); took < time.Second {
			return fmt.Errorf("%s only %v after the last count", data, took)
		}
		v.at = at
	default:
		return fmt.Errorf("%s does not apply to %+v", data, v.state)
	}
	v.state.Users, v.state.Sessions = e.Users, e.Sessions
	if v.state.Members != nil && len(v.state.Members) != e.Users {
		return fmt.Errorf("after %s there are %d members", data, len(v.state.Members))
	}
	return nil
}

// read applies what has come.
func (v *presenceView) read() error {
	pubs, ok := v.sub.channel().pending(nil, v.sub.life.Load(), v.sub.cursor.Load(), 1<<30)
	if !ok {
		return fmt.Errorf("the window has passed cursor %d", v.sub.cursor.Load())
	}
	for _, p := range pubs {
		if err := v.apply(p.Data, time.Unix(0, p.Time)); err != nil {
			return err
		}
		v.sub.cursor.Store(p.Offset)
	}
	return nil
}

func watchPresence(p *presence) *presenceView {
	v := &presenceView{sub: newSubscription(nil, p.events)}
	v.state = p.watch(v.sub)
	return v
}

// names leaves of a state what events tell of.
func names(s PresenceState) (all []string) {
	for _, m := range s.Members {
		all = append(all, m.User+" "+string(m.Info))
	}
	return all
}

// presenceMachine does random things to a presence and to the naive one.
type presenceMachine struct {
	t        *rapid.T
	p        *presence
	n        naivePresence
	max      int
	crowd    int // users there may be, less one
	made     int // sessions
	views    []*presenceView
	released int
	lost     int
}

func (m *presenceMachine) enter() {
	m.made++
	name, user := fmt.Sprint("s", m.made), fmt.Sprint("u", rapid.IntRange(0, m.crowd).Draw(m.t, "user"))
	info := fmt.Sprint(m.made)
	m.p.enter(name, user, []byte(info))
	m.n.enter(name, user, info)
}

func (m *presenceMachine) live() *naiveSession {
	var live []*naiveSession
	for i := range m.n.sessions {
		if s := &m.n.sessions[i]; s.lostAt.IsZero() {
			live = append(live, s)
		}
	}
	if len(live) == 0 {
		return nil
	}
	return rapid.SampledFrom(live).Draw(m.t, "session")
}

func (m *presenceMachine) leave() {
	if s := m.live(); s != nil {
		gone := *s
		m.p.leave(gone.name, gone.user)
		m.n.sessions = slices.DeleteFunc(m.n.sessions, func(s naiveSession) bool { return s == gone })
	}
}

func (m *presenceMachine) lose() {
	if s := m.live(); s != nil {
		m.lost++
		m.p.linger(s.name, s.user, func() { m.p.mu.Lock(); defer m.p.mu.Unlock(); m.released++ })
		// Those lost at one instant differ, or their order would not be known.
		s.lostAt = time.Now()
		<-time.After(time.Nanosecond)
		m.elapse(0)
	}
}

// elapse lets time pass.
func (m *presenceMachine) elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
	for m.n.removeFirstLost(func(s naiveSession) bool { return time.Since(s.lostAt) >= m.n.linger }) {
		continue
	}
}

// check compares everything.
func (m *presenceMachine) check() {
	synctest.Wait()
	want := PresenceState{Users: len(m.n.users()), Sessions: len(m.n.sessions)}
	got := m.p.state()
	counted := got.Members == nil
	if counted != m.mayCount(counted) {
		m.t.Fatalf("counted is %v with %d users", counted, want.Users)
	}
	if !counted {
		want.Members = m.n.members()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		m.t.Fatalf("snapshot:\n%s", diff)
	}
	m.p.mu.Lock()
	telling := m.p.telling
	m.p.mu.Unlock()
	for _, v := range m.views {
		if err := v.read(); err != nil {
			m.t.Fatal(err)
		}
		if telling {
			continue // in less than a second
		}
		if diff := cmp.Diff(names(want), names(v.state)); diff != "" || v.state.Users != want.Users {
			m.t.Fatalf("one who watches knows of %d users of %d:\n%s", v.state.Users, want.Users, diff)
		}
	}
}

// mayCount returns whether the channel has to be counted, given that it is.
func (m *presenceMachine) mayCount(is bool) bool {
	switch n := len(m.n.users()); {
	case m.p.options.mode == PresenceCount || n > m.max:
		return true
	case n <= m.max*9/10 && !m.p.telling:
		return false
	}
	return is
}

// TestPresenceAgainstAModel: whoever watches, and whenever they began to, knows what is
// true, from their snapshot and the events after it.
//
// clauses 9.4, 9.5, 9.6, 9.7, 9.8
func TestPresenceAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			q := new(queue)
			q.init()
			o := presenceOptions{mode: PresenceFull, maxUsers: rapid.IntRange(1, 8).Draw(rt, "max"), linger: 700 * time.Millisecond}
			if rapid.IntRange(0, 5).Draw(rt, "mode") == 0 {
				o.mode = PresenceCount
			}
			m := &presenceMachine{
				t: rt, p: newPresence(q, "chat", o), max: o.maxUsers,
				crowd: rapid.IntRange(0, 7).Draw(rt, "crowd"),
				n:     naivePresence{infos: map[string]string{}, linger: o.linger},
			}
			defer m.p.close()
			actions := map[string]func(){
				"enter": m.enter, "come": m.enter, "arrive": m.enter, "leave": m.leave, "lose": m.lose,
				"moment": func() { m.elapse(100 * time.Millisecond) },
				"while":  func() { m.elapse(time.Duration(rapid.IntRange(0, 2000).Draw(rt, "ms")) * time.Millisecond) },
				"watch":  func() { m.views = append(m.views, watchPresence(m.p)) },
				"resync": func() {
					if len(m.views) == 0 {
						return
					}
					v := rapid.SampledFrom(m.views).Draw(rt, "watcher")
					var e PresenceEvent
					if err := json.Unmarshal(m.p.resync(v.sub), &e); err != nil || e.Event != "state" {
						rt.Fatalf("resync: %+v, %v", e, err)
					}
					v.state = e.PresenceState
				},
				"unwatch": func() {
					if len(m.views) > 0 {
						m.p.events.remove(m.views[0].sub)
						m.views = m.views[1:]
					}
				},
			}
			kinds := slices.Sorted(maps.Keys(actions))
			for range rapid.IntRange(1, 80).Draw(rt, "steps") {
				actions[rapid.SampledFrom(kinds).Draw(rt, "action")]()
				m.check()
			}
			m.elapse(2 * time.Second) // all is told, nobody lingers
			m.check()
			m.p.close()
			if m.released != m.lost {
				rt.Fatalf("%d were lost, %d released", m.lost, m.released)
			}
		})
	})
}

// TestWatchingDuringEnters has many come and go at once, while others begin to watch, or
// begin again. Every event must apply to what its watcher knows.
//
// clause 9.4
func TestWatchingDuringEnters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(queue)
		q.init()
		p := newPresence(q, "chat", presenceOptions{mode: PresenceFull, linger: time.Millisecond})
		defer p.close()
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 500 {
					session, user := fmt.Sprint("s", g, "-", i), fmt.Sprint("u", rand.IntN(5))
					p.enter(session, user, nil)
					if i%5 == 0 {
						p.linger(session, user, func() {})
					} else {
						p.leave(session, user)
					}
				}
				p.enter(fmt.Sprint("last", g), fmt.Sprint("last", g), nil)
			})
		}
		var views [3]*presenceView
		for g := range views {
			wg.Go(func() {
				for i := range 300 {
					if v := views[g]; i%2 == 0 {
						views[g] = watchPresence(p)
						continue
					} else if err := v.read(); err != nil {
						t.Error(err)
						return
					}
					var e PresenceEvent
					if err := json.Unmarshal(p.resync(views[g].sub), &e); err != nil {
						t.Error(err)
					}
					views[g].state = e.PresenceState
					runtime.Gosched()
					if err := views[g].read(); err != nil {
						t.Error("after resync:", err)
						return
					}
				}
			})
		}
		wg.Wait()
		<-time.After(time.Second)
		synctest.Wait()
		for i, v := range views {
			if err := v.read(); err != nil {
				t.Fatalf("watcher %d: %v", i, err)
			}
			if diff := cmp.Diff([]string{"last0 ", "last1 ", "last2 ", "last3 "}, names(v.state)); diff != "" {
				t.Errorf("watcher %d at the end:\n%s", i, diff)
			}
		}
	})
}

// TestWatchIsOneStep stops a watch where it adds its subscription: whoever enters must
// wait until that is done, or the watcher would miss it.
//
// clause 9.4
func TestWatchIsOneStep(t *testing.T) {
	p := newPresence(new(queue), "chat", presenceOptions{mode: PresenceFull})
	p.events.mu.Lock()
	done := make(chan struct{})
	go func() {
		watchPresence(p)
		close(done)
	}()
	held := 0 // times in a row that mu was
	for tries := 0; held < 1000 && tries < 1_000_000; tries++ {
		held++
		if p.mu.TryLock() {
			p.mu.Unlock()
			held = 0
		}
		runtime.Gosched()
	}
	p.events.mu.Unlock()
	<-done
	if held < 1000 {
		t.Error("somebody could have entered between the snapshot and the first event")
	}
}
