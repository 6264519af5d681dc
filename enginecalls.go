package boreas

import (
	"context"
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// This file has the hub's calls of its engine. All of them pass the gate, which [Hub.Shutdown]
// closes so that the engine's owner can close the engine once Shutdown has returned.

// callPublish calls the engine's Publish.
func (h *Hub) callPublish(ctx context.Context, c caller, channel string, m engine.Message) (engine.Ack, error) {
	if !h.calls.enter() {
		return engine.Ack{}, engine.ErrClosed
	}
	defer h.calls.leave()
	if h.punctual {
		return inPlace(ctx, h, c, func(ctx context.Context) (engine.Ack, error) { return h.engine.Publish(ctx, channel, m) })
	}
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	if h.instant {
		return h.engine.Publish(ctx, channel, m)
	}
	return bounded(ctx, h, c, func(ctx context.Context) (engine.Ack, error) { return h.engine.Publish(ctx, channel, m) }, nil)
}

// callPublishMany calls the engine's PublishMany, or its Publish for each item.
func (h *Hub) callPublishMany(ctx context.Context, c caller, items []engine.Item) []engine.Result {
	results := make([]engine.Result, len(items))
	b, ok := h.engine.(engine.Batcher)
	if !ok || len(items) == 0 {
		var late error
		for i, item := range items {
			if r := &results[i]; late != nil {
				r.Err = late
			} else if r.Ack, r.Err = h.callPublish(ctx, c, item.Channel, item.Message); errors.Is(r.Err, ErrEngineTimeout) {
				late = r.Err
			}
		}
		return results
	}
	got, err := h.callBatcher(ctx, c, b, items)
	if err == nil && len(got) != len(items) {
		err = fmt.Errorf("boreas: the engine returned %d results for %d messages; any of them may have been published", len(got), len(items))
	}
	for i := range results {
		if err != nil {
			results[i].Err = err
		} else {
			results[i] = got[i]
		}
	}
	return results
}

func (h *Hub) callBatcher(ctx context.Context, c caller, b engine.Batcher, items []engine.Item) ([]engine.Result, error) {
	if !h.calls.enter() {
		return nil, engine.ErrClosed
	}
	defer h.calls.leave()
	if h.punctual {
		results, err := inPlace(ctx, h, c, func(ctx context.Context) ([]engine.Result, error) { return b.PublishMany(ctx, items), nil })
		late := false
		for i := range results {
			if r := &results[i]; tooLate(ctx, r.Err) {
				r.Err, late = ErrEngineTimeout, true
			}
		}
		if late {
			h.bounds.late.Add(1)
		}
		return results, err
	}
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	if h.instant {
		return b.PublishMany(ctx, items), nil
	}
	return bounded(ctx, h, c, func(ctx context.Context) ([]engine.Result, error) { return b.PublishMany(ctx, items), nil }, nil)
}

// Ready returns nil if the hub and its engine can accept publications; otherwise an error that says
// why not: [engine.ErrClosed], or the error of an engine that is an [engine.Readier].
func (h *Hub) Ready() error {
	if !h.calls.enter() {
		return engine.ErrClosed
	}
	defer h.calls.leave()
	if e, ok := h.engine.(engine.Readier); ok {
		return e.Ready()
	}
	return nil
}

// read calls the engine's Read.
func (h *Hub) read(ctx context.Context, c caller, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	if !h.calls.enter() {
		return engine.History{}, engine.ErrClosed
	}
	defer h.calls.leave()
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	if h.instant {
		return h.engine.Read(ctx, channel, since, limit)
	}
	if h.peeker != nil {
		if history, ok, err := h.peeker.Peek(channel, since, limit); ok {
			return history, err
		}
	}
	return bounded(ctx, h, c, func(ctx context.Context) (engine.History, error) { return h.engine.Read(ctx, channel, since, limit) }, nil)
}

// followsNow reports whether the engine's Follow never waits.
func (h *Hub) followsNow() bool { return h.instant || h.peeker != nil }

// following is the result of the engine's Follow.
type following struct {
	head engine.Position
	stop func()
}

// callFollow calls the engine's Follow. The stop function that it returns does not wait long. After
// it has returned nothing is delivered, even if the engine's own stop takes longer. The caller has
// entered the gate, or the engine is called by bounded, which enters it.
func (h *Hub) callFollow(channel string, to engine.Follower) (engine.Position, func(), error) {
	if h.followsNow() {
		return h.engine.Follow(h.ctx, channel, to)
	}
	d := &delivery{to: to}
	f, err := bounded(h.ctx, h, forSession, func(ctx context.Context) (following, error) {
		head, stop, err := h.engine.Follow(ctx, channel, d)
		return following{head, stop}, err
	}, func(late following) {
		h.bounds.stops.add(late.stop)
	})
	if err != nil {
		d.end()
		return engine.Position{}, nil, err
	}
	return f.head, func() {
		d.end()
		h.bounds.stops.call(f.stop)
	}, nil
}

// callPurge calls the engine's Purge, if it has one.
func (h *Hub) callPurge(ctx context.Context, channel string) (engine.Position, error) {
	e, ok := h.engine.(engine.Purger)
	if !ok {
		return engine.Position{}, ErrNoPurge
	}
	if !h.calls.enter() {
		return engine.Position{}, engine.ErrClosed
	}
	defer h.calls.leave()
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	if h.instant {
		return e.Purge(ctx, channel)
	}
	return bounded(ctx, h, forBackend, func(ctx context.Context) (engine.Position, error) { return e.Purge(ctx, channel) }, nil)
}

// engineStats returns the engine's statistics, or zeros if it has none.
func (h *Hub) engineStats() engine.Stats {
	e, ok := h.engine.(engine.Stater)
	if !ok || !h.calls.enter() {
		return engine.Stats{}
	}
	defer h.calls.leave()
	return e.Stats()
}

// logNames calls the engine's ListChannels, if it has one.
func (h *Hub) logNames(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	e, ok := h.engine.(engine.Lister)
	if !ok {
		return nil, nil
	}
	if !h.calls.enter() {
		return nil, engine.ErrClosed
	}
	defer h.calls.leave()
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	if h.instant {
		return e.ListChannels(ctx, prefix, after, limit)
	}
	return bounded(ctx, h, forBackend, func(ctx context.Context) ([]string, error) { return e.ListChannels(ctx, prefix, after, limit) }, nil)
}

// untilClosed returns a context that also ends when the hub shuts down, because Shutdown waits for
// the call. The calls of an immediate engine never wait, so they do not need it.
func (h *Hub) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.instant || ctx == h.ctx {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
