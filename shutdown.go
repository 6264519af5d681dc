package boreas

import (
	"context"
	"time"
)

// goodbyes ends sessions one after the other, each in its slot.
type goodbyes struct {
	reason   error
	sessions []*Session
	steps    int
	start    time.Time // before the announcements, because they take time
}

const (
	// goodbyeStep is the minimum interval between slots. Shorter intervals would only load the
	// timer.
	goodbyeStep = 10 * time.Millisecond

	// goodbyeRate is the number of sessions that end per second, if the drain time allows that. A
	// small server can accept as many handshakes per second beside its other work.
	goodbyeRate = 500
)

// newGoodbyes spreads the ends of the sessions according to their number, over at most the drain
// time.
func newGoodbyes(reason error, sessions []*Session, drain time.Duration) goodbyes {
	spread := min(drain, time.Duration(len(sessions))*time.Second/goodbyeRate)
	return goodbyes{reason, sessions, max(int(spread/goodbyeStep), 1), time.Now()}
}

// slot returns the step in which session i ends. The first slot is at the start, so that a single
// session does not wait.
func (d goodbyes) slot(i int) int { return i * d.steps / len(d.sessions) }

// announce tells the sessions when they will end.
func (d goodbyes) announce() {
	for i, s := range d.sessions {
		if after := time.Until(d.start.Add(time.Duration(d.slot(i)) * goodbyeStep)); after > 0 {
			s.sayGoodbye(d.reason, after)
		}
	}
}

// end ends the sessions in their slots.
func (d goodbyes) end(ctx context.Context) error {
	for i, step := 0, 0; i < len(d.sessions); step++ {
		for ; i < len(d.sessions) && d.slot(i) <= step; i++ {
			d.sessions[i].End(d.reason)
		}
		if i == len(d.sessions) {
			break
		}
		select {
		case <-time.After(time.Until(d.start.Add(time.Duration(step+1) * goodbyeStep))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Shutdown ends all sessions with [ErrShuttingDown]: about 500 per second, so that they do not all
// reconnect at once, or faster if that would take longer than the drain time. It waits until they
// have ended or ctx is done, and stops the hub. No session can be opened after the call. Publishing
// works until the sessions have ended, and fails with [engine.ErrClosed] after that.
//
// When Shutdown has returned, no call of the engine is under way and none follows, so the engine's
// owner may close it. For this, Shutdown cancels the contexts of the calls that are under way, and
// waits for them and for the stop of each followed channel, even after ctx has ended. Shutdown
// returns ctx's error if it had to stop waiting for the sessions.
func (h *Hub) Shutdown(ctx context.Context, drain time.Duration) error {
	sessions := h.registry.shut()
	d := newGoodbyes(ErrShuttingDown, sessions, drain)
	d.announce()
	err := d.end(ctx)
	if err == nil {
		err = h.registry.wait(ctx)
	}
	if err != nil {
		for _, s := range sessions {
			s.finish(ErrShuttingDown)
		}
	}
	h.cancel()
	h.queue.close()
	h.goroutines.Wait()
	h.calls.close() // after that no channel is acquired, so none is followed
	h.endPresence()
	h.follows.Wait() // other goroutines may be about to release the last reference to a channel
	h.bounds.stops.await()
	if h.ownsEngine {
		h.engine.Close()
	}
	return err
}

// EndSessions ends all sessions that the hub has now for the reason, spread over time as by
// [Hub.Shutdown]. Sessions can still be opened. If ctx ends before the last session, EndSessions
// returns ctx's error, and the other sessions stay.
func (h *Hub) EndSessions(ctx context.Context, reason error, drain time.Duration) error {
	d := newGoodbyes(reason, h.registry.all(), drain)
	d.announce()
	return d.end(ctx)
}

// endPresence releases the references of lost sessions that linger on a channel. Sessions that are
// lost later do not linger.
func (h *Hub) endPresence() {
	for i := range h.channels.shards {
		for _, p := range h.channels.presences(i) {
			p.close()
		}
	}
}
