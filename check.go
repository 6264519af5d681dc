package boreas

import (
	"context"
	"fmt"
)

// Check shows that the hub is not stuck: it takes and releases the locks that joins and deliveries
// need, and sees that no sweep goes on for ever. It returns nil, or an error when ctx ends during a
// sweep. If a lock is never released, Check does not return, so give it a goroutine of its own.
//
// Check asks the engine only for what it has in memory, and so does not wait for a disk or a network.
// [Hub.Ready] reports what is wrong with them.
func (h *Hub) Check(ctx context.Context) error {
	h.Sessions()
	h.queue.empty()
	for i := range h.channels.shards {
		name := h.channels.shards[i].any()
		if h.counter != nil && name != "" && h.calls.enter() {
			h.counter.Published(name)
			h.calls.leave()
		}
	}
	for _, p := range h.sweeping {
		if err := p.Await(ctx); err != nil {
			return fmt.Errorf("boreas: a sweep does not end: %w", err)
		}
	}
	return nil
}

// any returns the name of a channel, or "" if there is none. It takes the lock for writing, as a join
// does.
func (s *channelShard) any() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, ch := range s.byName {
		ch.mu.Lock()
		defer ch.mu.Unlock()
		return name
	}
	return ""
}
