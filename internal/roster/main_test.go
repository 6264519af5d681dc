package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Goroutines()...) }

const linger = 5 * time.Second

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// world is a cluster of real hubs, whose groups are joined by an unreliable network in the process of
// the test. It is used inside a synctest bubble.
type world struct {
	failer
	random *rand.Rand // guarded by mu
	nodes  []*node
	clock  *time.Ticker
	stop   chan struct{}
	done   sync.WaitGroup

	mu    sync.Mutex // guards the fields below, and the links
	loss  float64    // the probability that a content or a beat is lost, and that a content comes twice
	delay time.Duration
	cut   map[[2]string]bool // from and to
}

// node is one node at a time: a restart makes a new one.
type node struct {
	world  *world
	name   string
	life   string
	hub    *boreas.Hub
	roster *Roster
	text   *testlog.Buffer
	users  map[*boreas.Session]string // the live sessions

	mu      sync.Mutex // guards the fields below
	dead    bool
	watcher nodes.Watcher
	answer  func(ctx context.Context, question []byte) []byte
	asked   int
	heard   map[string]time.Time  // of the lives of others
	sees    map[string]nodes.Node // others that are alive, by their lives

	calls sync.Mutex // held during calls of the watcher
}

func newWorld(t failer, size int, seed uint64) *world {
	w := &world{
		failer: t, random: rand.New(rand.NewPCG(seed, 1)), nodes: make([]*node, size), clock: time.NewTicker(nodes.BeatInterval / 5),
		stop: make(chan struct{}), cut: map[[2]string]bool{},
	}
	for i := range size {
		w.start(i)
	}
	w.done.Go(w.run)
	return w
}

// end ends all nodes.
func (w *world) end() {
	w.clock.Stop()
	close(w.stop)
	w.done.Wait()
	for _, n := range w.nodes {
		w.crash(n)
	}
}

// run delivers beats, and notices dead nodes.
func (w *world) run() {
	for n := 0; ; n++ {
		select {
		case <-w.stop:
			return
		case <-w.clock.C:
		}
		all := w.all()
		for _, to := range all {
			for _, from := range all {
				if from != to && n%5 == 0 && !w.lost() {
					to.beat(from)
				}
			}
			to.check()
		}
	}
}

// all returns all nodes.
func (w *world) all() []*node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.nodes)
}

// start starts a node.
func (w *world) start(i int) *node {
	log, text := testlog.New()
	name := fmt.Sprint("n", i)
	n := &node{world: w, name: name, life: fmt.Sprintf("%s-%d", name, w.pick(math.MaxInt)), roster: New(log), text: text, users: map[*boreas.Session]string{}, heard: map[string]time.Time{}, sees: map[string]nodes.Node{}}
	n.hub = boreas.New(boreas.Options{
		Node: name, PresenceLinger: linger, Sweepers: 1, PresenceChanged: n.roster.Changed,
		Rules: new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull}),
	})
	w.mu.Lock()
	w.nodes[i] = n
	w.mu.Unlock()
	n.roster.Start(n.hub, n)
	return n
}

// crash ends a node so that nothing of it is heard any more.
func (w *world) crash(n *node) {
	n.mu.Lock()
	n.dead = true
	n.mu.Unlock()
	n.hub.Shutdown(context.Background(), 0)
	n.roster.Close()
	n.users = map[*boreas.Session]string{}
}

// leave ends a node in order.
func (w *world) leave(n *node) {
	n.hub.Shutdown(context.Background(), 0)
	n.users = map[*boreas.Session]string{}
	n.mu.Lock()
	n.dead = true
	n.mu.Unlock()
	for _, to := range w.nodes {
		if to != n && w.reaches(n, to) {
			to.lose(n.life)
		}
	}
	n.roster.Close()
}

func (w *world) reaches(from, to *node) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.cut[[2]string{from.name, to.name}]
}

// lost draws whether something is lost.
func (w *world) lost() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64() < w.loss
}

// pick returns a random number below n.
func (w *world) pick(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

func (w *world) late() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.delay == 0 {
		return 0
	}
	return time.Duration(w.random.Int64N(int64(w.delay)))
}

func (w *world) set(loss float64, delay time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loss, w.delay = loss, delay
}

func (w *world) cutOff(from, to int, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[[2]string{w.nodes[from].name, w.nodes[to].name}] = cut
}

// call calls the watcher of a node that is not dead.
func (n *node) call(f func(w nodes.Watcher)) {
	n.calls.Lock()
	defer n.calls.Unlock()
	n.mu.Lock()
	w, dead := n.watcher, n.dead
	n.mu.Unlock()
	if w != nil && !dead {
		f(w)
	}
}

func (n *node) gone() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead || n.watcher == nil
}

// beat delivers a beat of another node.
func (n *node) beat(from *node) {
	if from.gone() || n.gone() || !n.world.reaches(from, n) {
		return
	}
	n.calls.Lock()
	n.heard[from.life] = time.Now()
	_, known := n.sees[from.life]
	as := nodes.Node{Name: from.name, Incarnation: from.life}
	n.sees[from.life] = as
	n.calls.Unlock()
	if !known {
		n.call(func(w nodes.Watcher) { w.Joined(as) })
	}
	text := watcher{from.roster}.Digest()
	n.call(func(w nodes.Watcher) { w.Beat(as, text) })
}

// check notices nodes that are silent.
func (n *node) check() {
	n.calls.Lock()
	var dead []string
	for life := range n.sees {
		if time.Since(n.heard[life]) >= nodes.DeadAfter {
			dead = append(dead, life)
		}
	}
	n.calls.Unlock()
	for _, life := range dead {
		n.lose(life)
	}
}

func (n *node) lose(life string) {
	n.calls.Lock()
	as, known := n.sees[life]
	delete(n.sees, life)
	n.calls.Unlock()
	if known {
		n.call(func(w nodes.Watcher) { w.Ended(as) })
	}
}

// The methods of Group.

func (n *node) Incarnation() string { return n.life }

func (n *node) Watch(w nodes.Watcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watcher = w
}

func (n *node) Handle(_ string, answer func(ctx context.Context, question []byte) []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

func (n *node) Tell(content []byte) error {
	for _, to := range n.world.all() {
		if to == n || n.gone() || n.world.lost() || !n.world.reaches(n, to) {
			continue
		}
		deliver := func() {
			to.calls.Lock()
			as, known := to.sees[n.life]
			to.calls.Unlock()
			if known {
				to.call(func(w nodes.Watcher) { w.Told(as, content) })
			}
		}
		for range 1 + map[bool]int{true: 1}[n.world.lost()] {
			if late := n.world.late(); late > 0 {
				time.AfterFunc(late, deliver)
			} else {
				deliver()
			}
		}
	}
	return nil
}

func (n *node) AskOne(ctx context.Context, name, _ string, question []byte) ([]byte, error) {
	for _, to := range n.world.all() {
		if to.name != name || to.gone() || !n.world.reaches(n, to) || !n.world.reaches(to, n) || n.world.lost() {
			continue
		}
		to.mu.Lock()
		to.asked++
		answer := to.answer
		to.mu.Unlock()
		time.Sleep(n.world.late())
		content := answer(ctx, question)
		time.Sleep(n.world.late())
		if content != nil {
			return content, nil
		}
	}
	return nil, errors.New("it does not answer")
}

// user opens a session of a user on a node, and joins the room.
func (w *world) user(n *node, user, room string) (*boreas.Session, *boreastest.Conn) {
	c := &boreastest.Conn{Form: boreastest.Announcing{}}
	s, err := c.Open(n.hub)
	if err != nil {
		w.Fatalf("open: %v", err)
	}
	if err := s.Authenticate(boreastest.Grant("the token of "+user, user)); err != nil {
		w.Fatalf("authenticate: %v", err)
	}
	if err := s.Join(context.Background(), []boreas.Join{{Channel: room, Watch: true}}, nil)[0].Err; err != nil {
		w.Fatalf("join: %v", err)
	}
	n.users[s] = user
	return s, c
}

// gone records that a session has ended.
func (w *world) gone(n *node, s *boreas.Session, reason error) {
	delete(n.users, s)
	s.Lost(reason)
}

func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// agree checks that all live nodes show exactly the live sessions.
func (w *world) agree(when string, rooms ...string) {
	w.Helper()
	want := map[string][]string{}
	for _, n := range w.nodes {
		for s, user := range n.users {
			for _, room := range rooms {
				if slices.Contains(info(n, s), room) {
					want[room] = append(want[room], user+" "+s.ID())
				}
			}
		}
	}
	for _, n := range w.nodes {
		if n.gone() {
			continue
		}
		got := map[string][]string{}
		for _, room := range rooms {
			state, err := n.hub.Presence(room)
			if err != nil {
				w.Fatalf("presence: %v", err)
			}
			for _, m := range state.Members {
				for _, s := range m.Sessions {
					got[room] = append(got[room], m.User+" "+s)
				}
			}
		}
		for _, all := range []map[string][]string{want, got} {
			for room := range all {
				slices.Sort(all[room])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.Fatalf("%s, node %s:\n%s\nits log:\n%s", when, n.name, diff, n.text)
		}
	}
}

func info(n *node, s *boreas.Session) []string {
	i, err := n.hub.SessionInfo(s.ID())
	if err != nil {
		return nil
	}
	return i.Channels
}

// sessions returns the sessions of a node in order, so that a choice of them can be repeated.
func (n *node) sessions() []*boreas.Session {
	return slices.SortedFunc(maps.Keys(n.users), func(a, b *boreas.Session) int { return strings.Compare(a.ID(), b.ID()) })
}

// asks returns how many questions the node was asked since the last call.
func (n *node) asks() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := n.asked
	n.asked = 0
	return asked
}

// events returns the events of other users than watchers, whose names begin with "w".
func events(c *boreastest.Conn) (list []string) {
	for _, line := range c.Lines() {
		_, text, found := strings.Cut(line, " presence ")
		var e boreas.PresenceEvent
		if found && json.Unmarshal([]byte(text), &e) == nil && !strings.HasPrefix(e.User, "w") {
			list = append(list, e.Event+" "+e.User)
		}
	}
	return list
}
