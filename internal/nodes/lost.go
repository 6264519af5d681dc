package nodes

import (
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// lostFor is how long a node that has died counts as lost. One that is cut off and lives on has sent
// its sessions away after that: it does so after 15 seconds.
const lostFor = 30 * time.Second

// lost are the nodes that have died, or cannot be reached any more.
type lost struct {
	mu    sync.Mutex
	since map[string]clock.Mono // by name; guarded by mu. At most as many as nodes have died in lostFor
}

// apply records a change.
func (l *lost) apply(c change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.joined || c.bye || c.again {
		delete(l.since, c.node.Name)
		return
	}
	if l.since == nil {
		l.since = make(map[string]clock.Mono)
	}
	l.since[c.node.Name] = clock.Now()
}

// names returns the nodes that count as lost, in order.
func (l *lost) names() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := clock.Now()
	for name, since := range l.since {
		if now.Sub(since) >= lostFor {
			delete(l.since, name)
			continue
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Lost returns the names of the nodes that have died within the last half minute, or cannot be reached
// since then. Such a node may be cut off, and still have sessions. Each node that is not in [Group.Names]
// any more is here, unless it has left in order.
func (g *Group) Lost() []string {
	g.order.Lock() // a node that has died is in lost, or still in members
	defer g.order.Unlock()
	names := append(g.lost.names(), g.members.late()...)
	slices.Sort(names)
	return slices.Compact(names)
}
