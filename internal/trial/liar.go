package trial

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// lieEvery is the number of calls from one mistake of the liar to the next.
const lieEvery = 20

// A liar is an engine with a planted bug: now and then it delivers publications wrongly, or
// acknowledges one that it does not keep. The witness does not see that, and neither does the stream of
// a cluster.
type liar struct {
	engine.Engine
	plant oracle.Plant
	count *atomic.Int64 // of chances to lie
}

// lies reports whether it is time for a mistake.
func (l *liar) lies() bool { return l.count.Add(1)%lieEvery == 0 }

// A deceived is a follower that gets what the liar makes of the truth.
type deceived struct {
	engine.Follower
	liar *liar

	mu   sync.Mutex
	held *engine.Publication // guarded by mu
}

// Deliver implements [engine.Follower].
func (d *deceived) Deliver(p *engine.Publication) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held != nil {
		d.Follower.Deliver(p)
		d.Follower.Deliver(d.held)
		d.held = nil
		return
	}
	if m, _ := readContent(p.Data); m.Publisher == endPublisher || !d.liar.lies() {
		d.Follower.Deliver(p) // the last message is always delivered; otherwise all subscribers would wait for it
		return
	}
	switch d.liar.plant {
	case oracle.PlantDrop:
	case oracle.PlantRepeat:
		d.Follower.Deliver(p)
		d.Follower.Deliver(p)
	case oracle.PlantSwap:
		d.held = p
	case oracle.PlantShift:
		shifted := *p
		shifted.Offset++
		d.Follower.Deliver(&shifted)
	default:
		d.Follower.Deliver(p)
	}
}

// Follow implements [engine.Engine].
func (l *liar) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	return l.Engine.Follow(ctx, channel, &deceived{Follower: to, liar: l})
}

// Read implements [engine.Engine].
func (l *liar) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, err := l.Engine.Read(ctx, channel, since, limit)
	if l.plant == oracle.PlantGap && errors.Is(err, engine.ErrExpired) {
		return l.Engine.Read(ctx, channel, engine.Position{}, limit)
	}
	return h, err
}

// Publish implements [engine.Engine].
func (l *liar) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	if c, _ := readContent(m.Data); l.plant != oracle.PlantAck || c.Publisher == endPublisher || !l.lies() {
		return l.Engine.Publish(ctx, channel, m)
	}
	h, err := l.Engine.Read(ctx, channel, engine.Position{}, engine.Limit{})
	return engine.Ack{Position: engine.Position{Epoch: h.Head.Epoch, Offset: h.Head.Offset + 1}}, err
}
