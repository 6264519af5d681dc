package trial

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// The failures of a cluster: of its nodes, and of the NATS servers that keep the messages.

const (
	// serverPause is the mean time between two failures of NATS servers. A new leader is elected
	// within 4 to 9 seconds.
	serverPause = 4 * time.Second

	// longestDown is the longest time for which a server or node is down, suspended or cut off.
	longestDown = 5 * time.Second

	// turnPause is the mean time between two changes of the nodes to which new connections go.
	turnPause = time.Second
)

// A serverFault is a failure of a NATS server.
type serverFault string

const (
	serverKilled    serverFault = "NATS server killed"
	serverStopped   serverFault = "NATS server stopped"
	serverSuspended serverFault = "NATS server suspended"
	serverCut       serverFault = "NATS server cut off"
	serverSilent    serverFault = "NATS server cut off in silence"
)

// serverFaults are all, in the order of a short trial.
var serverFaults = []serverFault{serverKilled, serverSilent, serverSuspended, serverCut, serverStopped}

// Failures of a node. Its clients then go to others.
const (
	nodeKilled    restart = "node killed"
	nodeStopped   restart = "node stopped"
	nodeSuspended restart = "node suspended"
)

// downFor returns how long a failure lasts.
func downFor(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(longestDown))) }

// serverFailures causes failures of NATS servers until the context ends. There is one at a time, so
// that a majority can be found.
func (t *trial) serverFailures(ctx context.Context, r *rand.Rand) {
	for i := r.IntN(len(serverFaults)); pause(ctx, serverPause/2+time.Duration(r.Int64N(int64(serverPause)))); i++ {
		what, which, down := serverFaults[i%len(serverFaults)], r.IntN(servers), downFor(r)
		t.note("storm: %s: %d for %v", what, which, down)
		if err := t.world.cluster.servers.fail(ctx, what, which, down); err != nil {
			t.unexpected("NATS", "", "%s: %v", what, err)
		}
		t.note("storm: %s: %d is over", what, which)
		t.count(string(what))
	}
}

// fail lets a server fail for some time. If the context ends first, it repairs it at once.
func (f *fleet) fail(ctx context.Context, what serverFault, i int, down time.Duration) error {
	lasting := context.WithoutCancel(ctx) // what has failed is always repaired
	p := f.process(i)
	if p == nil {
		return nil // it could not be started
	}
	switch what {
	case serverKilled:
		f.forget(i)
		p.kill()
		pause(ctx, down)
		return f.start(lasting, i)
	case serverStopped:
		f.forget(i)
		if err := p.finish(); err != nil {
			return err
		}
		pause(ctx, down)
		return f.start(lasting, i)
	case serverSuspended:
		if err := p.suspend(); err != nil {
			return err
		}
		pause(ctx, down)
		return p.resume()
	case serverCut, serverSilent:
		f.cut(i, what == serverSilent)
		pause(ctx, down)
		f.heal(i)
		return nil
	}
	return fmt.Errorf("unknown failure %q", what)
}

// failNode lets a node fail, and starts it again. It calls turn when new connections must go to other
// nodes.
func (c *cluster) failNode(ctx context.Context, how restart, i int, down time.Duration, turn func()) error {
	n := c.node(i, true)
	if n == nil {
		return nil // it could not be started
	}
	switch how {
	case nodeKilled:
		c.forget(i)
		n.kill()
		turn()
	case nodeStopped:
		c.forget(i)
		turn()
		if err := n.finish(); err != nil {
			return err
		}
	case nodeSuspended:
		if err := n.suspend(); err != nil {
			return err
		}
		turn()
		pause(ctx, down)
		c.node(i, false)
		return n.resume()
	}
	pause(ctx, down)
	return c.startNode(context.WithoutCancel(ctx), i)
}

// turns directs the new connections of each subscriber and of the publishers to any node, again and
// again until the context ends.
func (t *trial) turns(ctx context.Context, r *rand.Rand) {
	for pause(ctx, time.Duration(r.Int64N(int64(2*turnPause)))) {
		t.world.turn()
	}
}

// turn directs the new connections through each proxy to any node.
func (w *world) turn() {
	w.api.SetBackend(w.cluster.apiAddr())
	for _, p := range w.subscriberProxies() {
		p.SetBackend(w.cluster.wsAddr())
	}
}
