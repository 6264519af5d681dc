package boreas

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// naivePresence is a simple model of presence.
type naivePresence struct {
	sessions []naiveSession // oldest first
	infos    map[string]string
	verified map[string]bool
	linger   time.Duration
}

type naiveSession struct {
	name, user string
	node       *node     // nil for a session of this node
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

func (n *naivePresence) enter(node *node, name, user, info string) {
	if !slices.Contains(n.users(), user) {
		n.infos[user], n.verified[user] = info, false
	}
	n.removeFirstLost(func(s naiveSession) bool { return s.user == user })
	n.sessions = append(n.sessions, naiveSession{name: name, user: user, node: node})
}

// verify applies a token with info, if the user is present.
func (n *naivePresence) verify(user, info string) {
	if slices.Contains(n.users(), user) {
		n.infos[user], n.verified[user] = info, true
	}
}

// own returns the user of each session of this node.
func (n *naivePresence) own() map[string]string {
	own := map[string]string{}
	for _, s := range n.sessions {
		if s.node == nil {
			own[s.name] = s.user
		}
	}
	return own
}

// removeFirstLost removes the session that was lost first among those for which goes returns true.
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

// members returns the members of a snapshot.
func (n *naivePresence) members() []Member {
	all := []Member{}
	for _, user := range n.users() {
		m := Member{User: user, Info: json.RawMessage(n.infos[user]), Verified: n.verified[user]}
		for _, s := range n.sessions {
			if s.user == user {
				m.Sessions = append(m.Sessions, s.name)
			}
		}
		all = append(all, m)
	}
	return all
}

// presenceView is the state as one watcher knows it.
type presenceView struct {
	sub   *subscription
	state PresenceState
	at    time.Time // time of the last count
}

// apply applies an event, and returns an error if the event does not fit.
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
	case e.Event == "join" && !counted && e.Verified:
		v.state.Members[i].Info = e.Info
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

// read applies the new events.
func (v *presenceView) read() error {
	pubs, _, ok := v.sub.channel().pending(nil, v.sub.life.Load(), v.sub.cursor.Load(), 1<<30)
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

// names returns the part of a state that events report.
func names(s PresenceState) (all []string) {
	for _, m := range s.Members {
		all = append(all, m.User+" "+string(m.Info))
	}
	return all
}

// presenceMachine makes random calls to a presence and to the naive one.
type presenceMachine struct {
	t        *rapid.T
	p        *presence
	n        naivePresence
	max      int
	crowd    int // number of possible users, less one
	made     int // number of sessions made so far
	views    []*presenceView
	released int
	lost     int
	nodes    []*node           // other nodes
	told     map[string]string // by the outbox: the user of each session of this node
	here     bool              // a token is being presented to this node
}

func (m *presenceMachine) session() (name, user, info string) {
	m.made++
	return fmt.Sprint("s", m.made), m.user(), fmt.Sprint(m.made)
}

func (m *presenceMachine) user() string {
	return fmt.Sprint("u", rapid.IntRange(0, m.crowd).Draw(m.t, "user"))
}

func (m *presenceMachine) enter() {
	name, user, info := m.session()
	m.p.enter(name, user, []byte(info))
	m.n.enter(nil, name, user, info)
}

// outbox records the knowledge of another node about this one.
func (m *presenceMachine) outbox(c PresenceChange) {
	user, known := m.told[c.Session]
	switch {
	case c.Channel != "chat":
		m.t.Errorf("a change of channel %q", c.Channel)
	case c.Kind == PresenceEnter && !known:
		m.told[c.Session] = c.User
	case c.Kind == PresenceLeave && known && user == c.User:
		delete(m.told, c.Session)
	case c.Kind == PresenceInfo && c.Session == "" && c.Verified && m.here:
	default:
		m.t.Errorf("%+v does not apply to %v", c, m.told)
	}
}

func (m *presenceMachine) node() *node { return rapid.SampledFrom(m.nodes).Draw(m.t, "node") }

// enterThere enters a session of another node. The session may be known already: with the same user
// or another one, live or lost.
func (m *presenceMachine) enterThere() {
	n := m.node()
	name, user, info := m.session()
	known := -1
	if rapid.Bool().Draw(m.t, "again") {
		known = m.sample(func(s naiveSession) bool { return s.node == n })
	}
	if known >= 0 {
		if s := &m.n.sessions[known]; rapid.IntRange(0, 3).Draw(m.t, "as another") > 0 || s.user == user {
			name, user = s.name, s.user
			s.lostAt = time.Time{}
		} else {
			name = s.name
			m.n.sessions = slices.Delete(m.n.sessions, known, known+1)
			known = -1
		}
	}
	m.p.apply(n, PresenceChange{Kind: PresenceEnter, Channel: "chat", Session: name, User: user, Info: json.RawMessage(info)})
	if known < 0 {
		m.n.enter(n, name, user, info)
	}
}

func (m *presenceMachine) leaveThere() {
	n := m.node()
	if i := m.sample(func(s naiveSession) bool { return s.node == n }); i >= 0 {
		s := m.n.sessions[i]
		m.p.apply(n, PresenceChange{Kind: PresenceLeave, Channel: "chat", Session: s.name, User: s.user})
		m.n.sessions = slices.Delete(m.n.sessions, i, i+1)
	}
}

func (m *presenceMachine) verify() {
	m.made++
	user, info := m.user(), fmt.Sprint(m.made)
	if m.here = rapid.Bool().Draw(m.t, "here"); m.here {
		m.p.reverify(user, info)
		m.here = false
	} else {
		m.p.apply(m.node(), PresenceChange{Kind: PresenceInfo, Channel: "chat", User: user, Info: json.RawMessage(info), Verified: true})
	}
	m.n.verify(user, info)
}

// loseNode loses the connection to a node, which may come back later.
func (m *presenceMachine) loseNode() {
	n := m.node()
	m.p.loseNode(n)
	for i := range m.n.sessions {
		if s := &m.n.sessions[i]; s.node == n && s.lostAt.IsZero() {
			s.lostAt = time.Now()
		}
	}
	<-time.After(time.Nanosecond)
	m.elapse(0)
}

// sample returns the index of a random session for which these returns true, or -1.
func (m *presenceMachine) sample(these func(naiveSession) bool) int {
	var all []int
	for i, s := range m.n.sessions {
		if these(s) {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return -1
	}
	return rapid.SampledFrom(all).Draw(m.t, "session")
}

// live returns a random session of this node that is not lost.
func (m *presenceMachine) live() *naiveSession {
	i := m.sample(func(s naiveSession) bool { return s.node == nil && s.lostAt.IsZero() })
	if i < 0 {
		return nil
	}
	return &m.n.sessions[i]
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
		// Sessions must be lost at different times, so that their order is defined.
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

// check compares the presence, the watchers and the outbox with the model.
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
	if diff := cmp.Diff(m.n.own(), m.told); diff != "" {
		m.t.Fatalf("state known to another node:\n%s", diff)
	}
	m.p.mu.Lock()
	telling := m.p.telling
	m.p.mu.Unlock()
	for _, v := range m.views {
		if err := v.read(); err != nil {
			m.t.Fatal(err)
		}
		if telling {
			continue // the watchers receive the numbers within a second
		}
		if diff := cmp.Diff(names(want), names(v.state)); diff != "" || v.state.Users != want.Users {
			m.t.Fatalf("a watcher knows %d users of %d:\n%s", v.state.Users, want.Users, diff)
		}
	}
}

// mayCount reports whether the channel must be counted. Where both are correct, it returns is, the
// current state.
func (m *presenceMachine) mayCount(is bool) bool {
	switch n := len(m.n.users()); {
	case m.p.options.mode == PresenceCount || n > m.max:
		return true
	case n <= m.max*9/10 && !m.p.telling:
		return false
	}
	return is
}

// TestPresenceAgainstAModel: every watcher, whenever it started, knows the true state from its
// snapshot and the later events.
//
// clauses 9.4, 9.5, 9.6, 9.7, 9.8
func TestPresenceAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			q := new(queue)
			q.init()
			o := presenceOptions{mode: PresenceFull, maxUsers: rapid.IntRange(1, 8).Draw(rt, "max"), linger: 700 * time.Millisecond, room: new(channelRoom)}
			if rapid.IntRange(0, 5).Draw(rt, "mode") == 0 {
				o.mode = PresenceCount
			}
			m := &presenceMachine{
				t: rt, max: o.maxUsers,
				crowd: rapid.IntRange(0, 7).Draw(rt, "crowd"),
				n:     naivePresence{infos: map[string]string{}, verified: map[string]bool{}, linger: o.linger},
				nodes: []*node{{name: "a"}, {name: "b"}},
				told:  map[string]string{},
			}
			o.outbox = m.outbox
			m.p = newPresence(q, "chat", o)
			defer m.p.close()
			actions := map[string]func(){
				"enter": m.enter, "come": m.enter, "arrive": m.enter, "leave": m.leave, "lose": m.lose,
				"enter there": m.enterThere, "leave there": m.leaveThere, "lose node": m.loseNode, "verify": m.verify,
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
			m.elapse(2 * time.Second) // everything is delivered, and no session lingers
			m.check()
			m.p.close()
			if m.released != m.lost {
				rt.Fatalf("%d were lost, %d released", m.lost, m.released)
			}
			for session, user := range m.n.own() {
				m.p.leave(session, user)
			}
			for _, n := range m.nodes {
				n.round.Add(1)
				m.p.retain(n)
				if left := n.counted(); left != (PresenceDigest{}) {
					rt.Fatalf("afterwards, node %s has %+v", n.name, left)
				}
			}
			if used := o.room.used.Load(); used != 0 || len(m.p.who.users) > 0 || m.p.who.idBytes != 0 {
				rt.Fatalf("afterwards, %d bytes are in use for %d users, %d for IDs", used, len(m.p.who.users), m.p.who.idBytes)
			}
		})
	})
}
