package boreas

import "context"

// This file holds the calls that the hub makes to its engine, except for Follow and its
// stop, which are the channel's. All of them pass the gate: [Hub.Shutdown] closes it, so that
// the engine's owner can close the engine once Shutdown has returned.

// publish calls the engine's Publish.
func (h *Hub) publish(ctx context.Context, channel string, m Message) (Ack, error) {
	if !h.calls.enter() {
		return Ack{}, ErrClosed
	}
	defer h.calls.leave()
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	return h.engine.Publish(ctx, channel, m)
}

// read calls the engine's Read.
func (h *Hub) read(ctx context.Context, channel string, since Position, limit int) (History, error) {
	if !h.calls.enter() {
		return History{}, ErrClosed
	}
	defer h.calls.leave()
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	return h.engine.Read(ctx, channel, since, limit)
}

// engineStats returns the engine's statistics, zero if it has none.
func (h *Hub) engineStats() EngineStats {
	e, ok := h.engine.(statsEngine)
	if !ok || !h.calls.enter() {
		return EngineStats{}
	}
	defer h.calls.leave()
	return e.Stats()
}

// logNames calls the engine's ListChannels, if it has one.
func (h *Hub) logNames(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	e, ok := h.engine.(channelLister)
	if !ok {
		return nil, nil
	}
	if !h.calls.enter() {
		return nil, ErrClosed
	}
	defer h.calls.leave()
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	return e.ListChannels(ctx, prefix, after, limit)
}

// untilClosed returns a context that also ends when the hub shuts down, because Shutdown
// waits for the call. A [Memory] never waits for anything, so its calls do without.
func (h *Hub) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.instant || ctx == h.ctx {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
