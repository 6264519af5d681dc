package boreastest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// alternating is one engine made of two nodes: each kind of call goes to them in turn. A call of
// Publish returns when both nodes know the publication, so the rules of one engine hold.
type alternating struct {
	nodes                      []engine.Engine
	published, followed, reads atomic.Int64
}

// shared marks an engine whose store others share; see mayRepeat.
func (a *alternating) shared() {}

func newAlternating(n *nodes) engine.Engine {
	a := &alternating{nodes: n.both()}
	_, purges := n.a.(engine.Purger)
	_, batches := n.a.(engine.Batcher)
	switch {
	case purges && batches:
		return &struct {
			*alternatingBatcher
			alternatingPurger
		}{&alternatingBatcher{a}, alternatingPurger{a}}
	case purges:
		return &struct {
			*alternating
			alternatingPurger
		}{a, alternatingPurger{a}}
	case batches:
		return &alternatingBatcher{a}
	}
	return a
}

func (a *alternating) turn(of *atomic.Int64) engine.Engine {
	return a.nodes[of.Add(1)%int64(len(a.nodes))]
}

// settle waits until all nodes know the position of an acknowledgement.
func (a *alternating) settle(ctx context.Context, channel string, ack engine.Ack) error {
	for _, e := range a.nodes {
		_, err := e.Read(ctx, channel, ack.Position, engine.Limit{})
		if err != nil && !errors.Is(err, engine.ErrPurged) && !(ack.Duplicate && errors.Is(err, engine.ErrExpired)) {
			return err
		}
	}
	return nil
}

// Publish implements [engine.Engine].
func (a *alternating) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	ack, err := a.turn(&a.published).Publish(ctx, channel, m)
	if err != nil {
		return ack, err
	}
	return ack, a.settle(ctx, channel, ack)
}

// Follow implements [engine.Engine].
func (a *alternating) Follow(ctx context.Context, channel string, f engine.Follower) (engine.Position, func(), error) {
	return a.turn(&a.followed).Follow(ctx, channel, f)
}

// Read implements [engine.Engine].
func (a *alternating) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	return a.turn(&a.reads).Read(ctx, channel, since, limit)
}

// Close implements [engine.Engine].
func (a *alternating) Close() error {
	var errs []error
	for _, e := range a.nodes {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}

type alternatingPurger struct{ a *alternating }

// Purge implements [engine.Purger].
func (p alternatingPurger) Purge(ctx context.Context, channel string) (engine.Position, error) {
	at, err := p.a.turn(&p.a.published).(engine.Purger).Purge(ctx, channel)
	if err != nil {
		return at, err
	}
	return at, p.a.settle(ctx, channel, engine.Ack{Position: at})
}

type alternatingBatcher struct{ *alternating }

// PublishMany implements [engine.Batcher].
func (a *alternatingBatcher) PublishMany(ctx context.Context, items []engine.Item) []engine.Result {
	results := a.turn(&a.published).(engine.Batcher).PublishMany(ctx, items)
	for i, r := range results {
		if r.Err == nil {
			results[i].Err = a.settle(ctx, items[i].Channel, r.Ack)
		}
	}
	return results
}
