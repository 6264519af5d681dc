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

func entered(session, user, info string) PresenceChange {
	return PresenceChange{Kind: PresenceEnter, Channel: "chat", Session: session, User: user, Info: json.RawMessage(info)}
}

func left(session string) PresenceChange {
	return PresenceChange{Kind: PresenceLeave, Channel: "chat", Session: session}
}

// clauses 9.1, 9.5: a user with sessions on two nodes joins once and leaves once.
func TestPresenceOfAUserOnTwoNodes(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		a := &node{name: "a"}
		r = r.watching()
		r.apply(a, entered("a1", "u1", `1`))
		r.hears("first on the other node", `{"event":"join","user":"u1","info":1,"users":1,"sessions":1}`)
		r.enter("s1", "u1", []byte(`2`))
		r.apply(a, entered("a1", "u1", `1`))
		r.hears("second here, and a repeated change")
		r.is("both", `{"users":1,"sessions":2,"members":[{"user":"u1","sessions":["a1","s1"],"info":1}]}`)
		r.apply(a, left("s1"))
		r.apply(a, entered("s1", "u2", ``))
		r.apply(&node{name: "b"}, left("a1"))
		r.is("after changes of sessions of other nodes", `{"users":1,"sessions":2,"members":[{"user":"u1","sessions":["a1","s1"],"info":1}]}`)
		r.apply(a, entered("a2", "u1", ``))
		r.apply(a, left("a1"))
		r.apply(a, left("a1"))
		r.loseNode(a)
		r.settle(5 * time.Second)
		r.hears("two are gone")
		r.leave("s1", "u1")
		r.hears("last gone", `{"event":"leave","user":"u1","users":0,"sessions":0}`)
	})
}

// clause 9.2: the info of a token counts wherever it was presented.
func TestPresenceInfoOfOtherNodes(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		a := &node{name: "a"}
		r = r.watching()
		verified := entered("a1", "u1", `"token"`)
		verified.Verified = true
		r.apply(a, verified)
		r.enter("s1", "u1", []byte(`"claim"`))
		r.hears("a token's", `{"event":"join","user":"u1","info":"token","verified":true,"users":1,"sessions":1}`)
		r.apply(a, entered("a2", "u2", `"claim"`))
		r.apply(a, PresenceChange{Kind: PresenceInfo, User: "u2", Info: json.RawMessage(`"token"`), Verified: true})
		r.apply(a, PresenceChange{Kind: PresenceInfo, User: "u3", Info: json.RawMessage(`"token"`), Verified: true})
		r.hears("a claim, replaced by a token's", `{"event":"join","user":"u2","info":"claim","users":2,"sessions":3}`,
			`{"event":"join","user":"u2","info":"token","verified":true,"users":2,"sessions":3}`)
		r.apply(a, entered("a3", "u3", `{`))
		r.hears("not JSON", `{"event":"join","user":"u3","users":3,"sessions":4}`)
		again := entered("a4", "u3", `"token"`)
		again.Verified = true
		r.apply(a, again)
		r.hears("a token's, with another session", `{"event":"join","user":"u3","info":"token","verified":true,"users":3,"sessions":5}`)
	})
}

// clause 9.6: the sessions of a lost node linger. A user who reconnects to another node, or
// together with the node, has not left.
func TestPresenceOfALostNode(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		a, b := &node{name: "a"}, &node{name: "b"}
		for i := range 5 {
			r.apply(a, entered(fmt.Sprint("a", i), fmt.Sprint("u", i), ``))
		}
		r = r.watching()
		r.loseNode(a)
		r.loseNode(a)
		r.settle(4 * time.Second)
		r.enter("s0", "u0", nil)
		r.apply(b, entered("b1", "u1", ``))
		r.apply(a, entered("a2", "u2", ``)) // the node is connected again
		r.apply(a, left("a3"))
		r.hears("what is heard meanwhile", `{"event":"leave","user":"u3","users":4,"sessions":4}`)
		r.settle(time.Second)
		r.hears("their time is over", `{"event":"leave","user":"u4","users":3,"sessions":3}`)
		r.is("then", `{"users":3,"sessions":3,"members":[`+
			`{"user":"u0","sessions":["s0"]},{"user":"u1","sessions":["b1"]},{"user":"u2","sessions":["a2"]}]}`)
		r.settle(time.Hour)
		r.hears("later")
	})
	inRoom(t, presenceOptions{mode: PresenceFull}, func(r theRoom) {
		a := &node{name: "a"}
		r.apply(a, entered("a1", "u1", ``))
		r.apply(a, entered("a2", "u1", ``))
		r.enter("s2", "u2", nil)
		r = r.watching()
		r.loseNode(a)
		r.hears("without linger time", `{"event":"leave","user":"u1","users":1,"sessions":1}`)
	})
}

// A session that is found again keeps its place among its user's sessions, and its first loss has
// no effect any more.
func TestPresenceOfANodeThatIsFoundAgain(t *testing.T) {
	inRoom(t, full, func(r theRoom) {
		a := &node{name: "a"}
		for _, session := range []string{"a1", "a2", "a3", "a4"} {
			r.apply(a, entered(session, "u1", ``))
		}
		r = r.watching()
		r.loseNode(a)
		r.settle(3 * time.Second)
		for _, session := range []string{"a3", "a1", "a4"} {
			r.apply(a, entered(session, "u1", ``))
		}
		r.loseNode(a)
		r.apply(a, entered("a3", "u1", ``))
		r.is("lost twice", `{"users":1,"sessions":4,"members":[{"user":"u1","sessions":["a1","a2","a3","a4"]}]}`)
		r.settle(2 * time.Second)
		r.is("5 seconds after the first loss", `{"users":1,"sessions":3,"members":[{"user":"u1","sessions":["a1","a3","a4"]}]}`)
		r.settle(3 * time.Second)
		r.is("5 seconds after the second loss", `{"users":1,"sessions":1,"members":[{"user":"u1","sessions":["a3"]}]}`)
		r.hears("all the time")
	})
}

// The changes that other nodes receive from this one.
func TestPresenceOutbox(t *testing.T) {
	var told []PresenceChange
	o := full
	o.outbox = func(c PresenceChange) { told = append(told, c) }
	inRoom(t, o, func(r theRoom) {
		tells := func(when string, want ...PresenceChange) {
			t.Helper()
			r.mu.Lock() // as the caller of outbox does
			defer r.mu.Unlock()
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("%s, changes:\n%s", when, diff)
			}
			told = nil
		}
		in := func(session, user, info string, verified bool) PresenceChange {
			c := entered(session, user, info)
			c.Verified = verified
			return c
		}
		out := func(session, user string) PresenceChange {
			c := left(session)
			c.User = user
			return c
		}
		a := &node{name: "a"}
		r.apply(a, entered("a1", "u1", `1`))
		r.apply(a, PresenceChange{Kind: PresenceInfo, User: "u1", Info: json.RawMessage(`1`), Verified: true})
		r.apply(a, entered("a1", "u1", ``))
		r.loseNode(a)
		tells("another node's")
		r.enter("s1", "u1", []byte(`2`))
		r.enter("s1", "u1", []byte(`2`))
		r.leave("s1", "u1")
		tells("a session, of a user with another info", in("s1", "u1", `1`, true))
		r.enterWith("s2", "u1", nil, `3`)
		tells("a token", in("s2", "u1", `1`, true), PresenceChange{Kind: PresenceInfo, Channel: "chat", User: "u1", Info: json.RawMessage(`3`), Verified: true})
		r.reverify("u1", `3`)
		tells("the same token")
		r.reverify("u1", `4`)
		tells("another token", PresenceChange{Kind: PresenceInfo, Channel: "chat", User: "u1", Info: json.RawMessage(`4`), Verified: true})
		r.enterWith("s2", "u2", nil, `5`)
		tells("a session's new user", out("s2", "u1"), in("s2", "u2", `5`, true))
		r.linger("s1", "u1", func() {})
		r.apply(a, entered("a2", "u1", `6`))
		tells("a lost session whose user is on another node", out("s1", "u1"))
		r.linger("s2", "u2", func() {})
		tells("a lost session")
		r.settle(5 * time.Second)
		tells("whose time is over", out("s2", "u2"))
		r.enter("s3", "u3", []byte(`7`))
		r.enter("s4", "u4", []byte(`8`))
		tells("two sessions", in("s3", "u3", `7`, false), in("s4", "u4", `8`, false))
		r.linger("s3", "u3", func() {})
		r.close()
		r.linger("s4", "u4", func() {})
		tells("when the hub shuts down")
	})
}

// cluster is a few nodes, each with a presence of the same channel, and the changes that are on
// their way between them.
type cluster struct {
	t      *rapid.T
	places []*clusterNode
	made   int
}

type clusterNode struct {
	*node
	p     *presence
	views []*presenceView
	live  map[string]string // the user of each of its sessions that is not lost

	// By the index of another node:
	cut   []bool              // nothing reaches the other node
	known []map[string]string // this node's sessions as the other node knows them

	// Guarded by p.mu.
	own    map[string]string  // the user of each of its sessions, including lost ones
	queues [][]PresenceChange // by the index of another node: changes that the other node has not received yet
}

const clusterSize = 3

// start starts or restarts a node, which learns at once which sessions the others have.
func (c *cluster) start(i int) {
	q := new(queue)
	q.init()
	n := &clusterNode{
		node: &node{name: fmt.Sprint("n", i)}, own: map[string]string{}, live: map[string]string{},
		queues: make([][]PresenceChange, clusterSize), cut: make([]bool, clusterSize), known: make([]map[string]string, clusterSize),
	}
	n.p = newPresence(q, "chat", presenceOptions{mode: PresenceFull, linger: 5 * time.Second, outbox: func(change PresenceChange) {
		if change.Kind == PresenceEnter {
			n.own[change.Session] = change.User
		} else {
			delete(n.own, change.Session)
		}
		for j := range n.queues {
			n.queues[j] = append(n.queues[j], change)
		}
	}})
	for j, other := range c.places {
		n.known[j] = map[string]string{}
		if other != nil && j != i {
			other.known[i], other.cut[i] = map[string]string{}, false // sync empties the queue
		}
	}
	c.places[i] = n
	for j := range c.places {
		c.sync(j, i)
	}
	n.views = append(n.views, watchPresence(n.p))
}

// sync gives node j the whole knowledge of node i, as a snapshot does.
func (c *cluster) sync(i, j int) {
	from, to := c.places[i], c.places[j]
	if i == j || from == nil || to == nil {
		return
	}
	from.p.mu.Lock()
	from.queues[j] = nil
	own := maps.Clone(from.own)
	from.p.mu.Unlock()
	for session := range from.known[j] {
		if _, there := own[session]; !there {
			to.p.apply(from.node, left(session))
		}
	}
	for session, user := range own {
		to.p.apply(from.node, entered(session, user, ``))
	}
	from.known[j] = own
}

// deliver delivers up to n changes of node i to node j.
func (c *cluster) deliver(i, j, n int) {
	from, to := c.places[i], c.places[j]
	if i == j || from.cut[j] {
		return
	}
	from.p.mu.Lock()
	n = min(n, len(from.queues[j]))
	changes := from.queues[j][:n]
	from.queues[j] = from.queues[j][n:]
	from.p.mu.Unlock()
	for _, change := range changes {
		to.p.apply(from.node, change)
		if change.Kind == PresenceEnter {
			from.known[j][change.Session] = change.User
		} else {
			delete(from.known[j], change.Session)
		}
	}
}

// lose cuts the connection from node i to node j. Node j treats node i as lost.
func (c *cluster) lose(i, j int) {
	if i != j {
		c.places[i].cut[j] = true
		c.places[j].p.loseNode(c.places[i].node)
	}
}

func (c *cluster) heal(i, j int) {
	if i != j && c.places[i].cut[j] {
		c.places[i].cut[j] = false
		c.sync(i, j)
	}
}

// crash ends a node with all its sessions. The others lose it, and another node starts in its
// place.
func (c *cluster) crash(i int) {
	old := c.places[i]
	old.p.close()
	for j, other := range c.places {
		if j != i {
			other.p.loseNode(old.node)
		}
	}
	c.places[i] = nil
	c.start(i)
}

func (c *cluster) draw(max int, what string) int { return rapid.IntRange(0, max).Draw(c.t, what) }

func (c *cluster) enter() {
	c.made++
	i, user := c.draw(clusterSize-1, "node"), fmt.Sprint("u", c.draw(3, "user"))
	session := fmt.Sprintf("n%d-%d", i, c.made)
	c.places[i].live[session] = user
	c.places[i].p.enter(session, user, nil)
}

func (c *cluster) leave(how func(p *presence, session, user string)) {
	n := c.places[c.draw(clusterSize-1, "node")]
	if len(n.live) > 0 {
		session := rapid.SampledFrom(slices.Sorted(maps.Keys(n.live))).Draw(c.t, "session")
		user := n.live[session]
		delete(n.live, session)
		how(n.p, session, user)
	}
}

// check compares the state on each node with the live sessions, once nothing is on its way and no
// session lingers.
func (c *cluster) check() {
	want := map[string][]string{}
	for _, n := range c.places {
		for session, user := range n.live {
			want[user] = append(want[user], session)
		}
	}
	for i, n := range c.places {
		got := map[string][]string{}
		for _, m := range n.p.state().Members {
			got[m.User] = m.Sessions
		}
		for _, sessions := range []map[string][]string{want, got} {
			for _, s := range sessions {
				slices.Sort(s)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			c.t.Fatalf("node %d:\n%s", i, diff)
		}
	}
}

// watch reads the events of each watcher. Each must apply, and in the end a watcher must know the
// true state.
func (c *cluster) watch() {
	for i, n := range c.places {
		for _, v := range n.views {
			if err := v.read(); err != nil {
				c.t.Fatalf("node %d: %v", i, err)
			}
			if diff := cmp.Diff(names(n.p.state()), names(v.state)); diff != "" {
				c.t.Fatalf("node %d, a watcher:\n%s", i, diff)
			}
		}
	}
}

// Changes may be late or lost, and nodes may be cut off or restarted. Once everything is delivered
// and no session lingers, all nodes show exactly the live sessions.
//
// clauses 9.4, 9.5, 9.6
func TestPresenceOfACluster(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			c := &cluster{t: rt, places: make([]*clusterNode, clusterSize)}
			for i := range c.places {
				c.start(i)
			}
			defer func() {
				for _, n := range c.places {
					n.p.close()
				}
			}()
			two := func(do func(i, j int)) func() {
				return func() { do(c.draw(clusterSize-1, "from"), c.draw(clusterSize-1, "to")) }
			}
			actions := map[string]func(){
				"enter": c.enter, "come": c.enter,
				"leave":   func() { c.leave((*presence).leave) },
				"lose":    func() { c.leave(func(p *presence, session, user string) { p.linger(session, user, func() {}) }) },
				"deliver": two(func(i, j int) { c.deliver(i, j, 1+c.draw(3, "changes")) }),
				"cut":     two(c.lose),
				"heal":    two(c.heal),
				"again":   two(func(i, j int) { c.deliver(i, j, 1000); c.sync(i, j) }),
				"crash":   func() { c.crash(c.draw(clusterSize-1, "node")) },
				"while":   func() { <-time.After(time.Duration(c.draw(4, "seconds")) * time.Second); synctest.Wait() },
			}
			kinds := slices.Sorted(maps.Keys(actions))
			for range c.draw(60, "steps") {
				actions[rapid.SampledFrom(kinds).Draw(rt, "action")]()
				c.watch()
			}
			for range 2 { // the second round delivers the ends of lingering sessions
				for i := range c.places {
					for j := range c.places {
						c.heal(i, j)
						c.deliver(i, j, 1000)
					}
				}
				<-time.After(6 * time.Second)
				synctest.Wait()
			}
			c.check()
			c.watch()
		})
	})
}
