package nodes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// An Observed is a live node, as a program sees it that is no node itself.
type Observed struct {
	Name    string
	Version string
	Started time.Time     // by the node's own clock
	Ahead   time.Duration // of the node's clock before the one of this machine
}

// Observe listens for as long as a live node beats twice, and returns the live nodes by name. It does
// not become a node, and sends nothing.
func Observe(ctx context.Context, servers natsconn.Options) ([]Observed, error) {
	nc, err := servers.Connect(ctx, "observe")
	if err != nil {
		return nil, err
	}
	return observe(ctx, &natsBus{servers, nc})
}

// observe is Observe with a bus, which it closes.
func observe(ctx context.Context, b bus) ([]Observed, error) {
	defer b.close()
	var mu sync.Mutex
	live := make(map[string]Observed)
	err := b.subscribe("node.*.beat", func(subject string, data []byte) {
		var message beat
		parts := strings.Split(subject, ".")
		if _, err := decode(data, &message); err != nil || len(parts) != 3 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if message.Bye {
			delete(live, parts[1])
		} else if len(live) < maxNodes {
			live[parts[1]] = Observed{parts[1], message.Version, message.Started, message.Now.Sub(clock.Wall())}
		}
	})
	if err == nil {
		err = b.flush(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("listen to the nodes: %w", err)
	}
	select {
	case <-time.After(helloWait):
	case <-ctx.Done():
		return nil, fmt.Errorf("listen to the nodes: %w", ctx.Err())
	}
	mu.Lock()
	defer mu.Unlock()
	all := make([]Observed, 0, len(live))
	for _, n := range live {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b Observed) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}
