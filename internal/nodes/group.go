package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// The last token of the subjects of messages from a node to all.
const (
	kindHello = "hello"
	kindBeat  = "beat"
	kindTold  = "presence" // the only thing that nodes tell each other so far
)

// ErrSameName means that another live node has the name of this one.
var ErrSameName = errors.New("another live node has this name")

// A Group is the nodes of a cluster as one of them sees them. Its methods may be called by many
// goroutines at once.
type Group struct {
	// Immutable.
	options     Options
	name        string
	incarnation string
	started     time.Time
	joined      clock.Mono // when this node started, for startTime
	bus         bus
	ctx         context.Context // ends at the beginning of Close
	cancel      context.CancelFunc
	beating     chan struct{} // closed when the last beat has been sent
	beatNow     chan struct{}
	refused     chan string // receives the incarnation of a node with the same name, while Open runs

	log      occasionalLog
	members  members
	asks     asks
	handlers handlers
	lost     lost
	watcher  atomic.Pointer[Watcher]

	order   sync.Mutex // held while a message about the nodes, or a check of them, has its effect
	joining bool       // Open still listens to the others; guarded by order
}

// Open makes this node one of the cluster. It takes a second at least, in which it listens to the
// other nodes. The error is [ErrSameName] if one of them has the same name, and otherwise says why no
// server can be reached. Call [Group.Close] to leave the cluster.
func Open(ctx context.Context, o Options) (*Group, error) {
	o.Servers.Log = o.Log
	nc, err := o.Servers.Connect(ctx, "nodes")
	if err != nil {
		return nil, err
	}
	return open(ctx, o, &natsBus{o.Servers, nc})
}

// open is Open with a bus, which it closes if it fails.
func open(ctx context.Context, o Options, b bus) (*Group, error) {
	g := &Group{
		options: o, name: o.Servers.Node, incarnation: newIncarnation(), started: clock.Wall(), joined: clock.Now(), bus: b,
		beating: make(chan struct{}), beatNow: make(chan struct{}, 1), refused: make(chan string, 1), joining: true,
	}
	g.log.init(o.Log)
	g.members.init(&g.log)
	g.asks.init(g)
	g.handlers.init(g)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	if err := g.join(ctx); err != nil {
		g.cancel()
		b.close()
		g.handlers.wait()
		return nil, err
	}
	go g.beat()
	return g, nil
}

// join listens to the other nodes.
func (g *Group) join(ctx context.Context) error {
	for subject, deliver := range map[string]func(string, []byte){
		"node.*.*":                                 g.heard,
		g.subject("ask", g.name, g.incarnation):    g.handlers.questioned,
		g.subject("answer", g.name, g.incarnation): g.asks.answered,
	} {
		if err := g.bus.subscribe(subject, deliver); err != nil {
			return fmt.Errorf("listen to the other nodes: %w", err)
		}
	}
	if err := g.bus.flush(ctx); err != nil {
		return fmt.Errorf("listen to the other nodes: %w", err)
	}
	g.sayHello()
	select {
	case other := <-g.refused:
		return fmt.Errorf("%w: %q (incarnation %s): stop that node, or give this one another name", ErrSameName, g.name, other)
	case <-ctx.Done():
		return fmt.Errorf("listen to the other nodes: %w", ctx.Err())
	case <-time.After(helloWait):
	}
	g.order.Lock()
	defer g.order.Unlock()
	g.joining = false
	return nil
}

// beat sends beats, and notices silent nodes, until Close.
func (g *Group) beat() {
	defer close(g.beating)
	tick := time.NewTicker(BeatInterval / 2) // beats and checks, in turn
	defer tick.Stop()
	g.sayBeat()
	for n := 0; ; n++ {
		select {
		case <-g.ctx.Done():
			return
		case <-g.beatNow:
			g.sayBeat()
			continue
		case <-tick.C:
		}
		g.check()
		if n%2 == 1 {
			g.sayBeat()
		}
	}
}

func (g *Group) sayBeat()  { g.trySay(kindBeat) }
func (g *Group) sayHello() { g.trySay(kindHello) }

func (g *Group) trySay(kind string) {
	if err := g.say(kind, false); err != nil && g.log.due("beat", "") {
		g.log.Warn("no beat can be sent: the other nodes will notice that this one is silent", "error", err)
	}
}

// say publishes a beat, or a hello.
func (g *Group) say(kind string, bye bool) error {
	b := beat{V: wireVersion, Incarnation: g.incarnation, Version: g.options.Version, Started: g.started, Now: clock.Wall(), Bye: bye, Info: g.info()}
	if w := g.watching(); w != nil {
		b.Digest = w.Digest()
	}
	return g.bus.publish(g.subject("node", g.name, kind), encode(b, nil))
}

// info returns the text about this node, or nil if it is not usable.
func (g *Group) info() json.RawMessage {
	if g.options.Info == nil {
		return nil
	}
	info := g.options.Info()
	if len(info) > maxInfo || len(info) > 0 && !json.Valid(info) {
		if g.log.due("info", "") {
			g.log.Error(fmt.Sprintf("the information about this node is no JSON of at most %d bytes: the other nodes do not get it", maxInfo), "bytes", len(info))
		}
		return nil
	}
	return info
}

// heard handles a message about the nodes.
func (g *Group) heard(subject string, data []byte) {
	parts := strings.Split(subject, ".")
	if len(parts) != 3 || g.ctx.Err() != nil {
		return
	}
	switch name, kind := parts[1], parts[2]; kind {
	case kindBeat, kindHello:
		g.heardBeat(name, kind, subject, data)
	case kindTold:
		if name != g.name {
			g.told(name, subject, data)
		}
	} // others are of a later version
}

// heardBeat handles a beat or a hello.
func (g *Group) heardBeat(name, kind, subject string, data []byte) {
	var b beat
	if _, err := decode(data, &b); err != nil || !validIncarnation(b.Incarnation) || b.V < 1 {
		g.unreadable(subject, data, err)
		return
	}
	if b.Incarnation == g.incarnation {
		return
	}
	if b.V > wireVersion && g.log.due("version", name) {
		g.log.Warn("a node has a newer version and other messages: update this node", "node", name, "version", b.Version, "v", b.V)
	}
	g.order.Lock()
	defer g.order.Unlock()
	switch {
	case name == g.name:
		g.namesake(kind, &b)
	case kind == kindHello:
		g.wake()
	default:
		if !b.Bye {
			g.members.skew(name, &b)
		}
		g.apply(g.members.beat(name, &b))
		n, alive := g.members.hear(name, b.Incarnation)
		if w := g.watching(); w != nil && alive && b.V == wireVersion && b.Digest != nil {
			w.Beat(n, b.Digest)
		}
	}
}

// namesake handles a message of another node with the name of this one. Of two nodes that start at
// the same time, the one with the smaller incarnation stays. The caller holds order.
func (g *Group) namesake(kind string, b *beat) {
	switch {
	case b.Bye:
	case g.joining && (kind == kindBeat || b.Incarnation < g.incarnation): // the other one is alive, or stays
		select {
		case g.refused <- b.Incarnation:
		default:
		}
	case g.joining:
		g.sayHello() // the other one stops when it hears this, also if it began to listen after the first one
	case kind == kindHello:
		g.wake()
	case g.log.due("namesake", ""):
		g.log.Error("another live node has the name of this node: stop one of them, or give it another name",
			"node", g.name, "incarnation", g.incarnation, "other", b.Incarnation)
	}
}

// wake sends a beat soon, for a node that has just started.
func (g *Group) wake() {
	select {
	case g.beatNow <- struct{}{}:
	default:
	}
}

// check notices silent nodes.
func (g *Group) check() {
	g.order.Lock()
	defer g.order.Unlock()
	g.apply(g.members.check())
}

// apply makes changes known. The caller holds order.
func (g *Group) apply(changes []change) {
	for _, c := range changes {
		g.lost.apply(c)
		log := g.log.With("node", c.node.Name, "incarnation", c.node.Incarnation)
		switch {
		case c.joined:
			log.Info("a node has joined the cluster", "version", c.node.Version)
		case c.bye:
			log.Info("a node has left the cluster")
		case c.again:
			log.Warn("a node has restarted without a goodbye")
		default:
			log.Warn("a node has died, or cannot be reached any more: look at its process and its log, and at the network", "silent", DeadAfter)
		}
		w := g.watching()
		switch {
		case !c.joined:
			g.asks.ended(c.node)
			if w != nil {
				w.Ended(c.node)
			}
		case w != nil:
			w.Joined(c.node)
		}
	}
}

// Alive returns the other nodes that are alive, by name.
func (g *Group) Alive() []Node { return g.members.alive() }

// Names returns the names of the other nodes that are alive, in order.
func (g *Group) Names() []string {
	alive := g.members.alive()
	names := make([]string, len(alive))
	for i, n := range alive {
		names[i] = n.Name
	}
	return names
}

// Name and Incarnation return those of this node.
func (g *Group) Name() string        { return g.name }
func (g *Group) Incarnation() string { return g.incarnation }

// Close leaves the cluster. It says goodbye, so the other nodes know at once that this one has left in
// order. It ends the contexts of handlers and waits for them. Calls of Ask return at once. Close may
// be called again.
func (g *Group) Close() {
	first := g.handlers.stop()
	g.cancel()
	<-g.beating
	if first {
		g.goodbye()
	}
	g.handlers.wait()
	g.bus.close()
}

func (g *Group) goodbye() {
	err := g.say(kindBeat, true)
	if err == nil {
		err = g.bus.flush(context.Background())
	}
	if err != nil {
		g.log.Warn("this node could not say goodbye: the other nodes will think that it has died", "error", err)
	}
}

func (g *Group) subject(tokens ...string) string { return strings.Join(tokens, ".") }
