package boreas

import "sync/atomic"

// Costs of joined channels in bytes, including rounding by the allocator and the engine's part of a
// channel that is only followed. Each name is stored twice. TestChannelBytesMatchesMemory compares
// these numbers with the heap.
const (
	channelCost      = 700  // a channel, without its name
	subscriptionCost = 110  // a session's subscription
	presenceCost     = 1000 // the presence of a channel and its events
	memberCost       = 300  // a present session, without its user's name and info
)

// channelRoom counts the cost in bytes of all joined channels together. A nil channelRoom counts
// nothing.
type channelRoom struct {
	max  int64 // 0 means unlimited
	used atomic.Int64
}

// take counts n bytes if there is room for them. Error: [ErrTooManyJoinedChannels].
func (r *channelRoom) take(n int64) error {
	if used := r.used.Add(n); r.max > 0 && used > r.max {
		r.used.Add(-n)
		return ErrTooManyJoinedChannels
	}
	return nil
}

// add counts n bytes, which may be negative, even over the limit: they belong to a join that has
// been accepted, and the next take fails.
func (r *channelRoom) add(n int64) {
	if r != nil {
		r.used.Add(n)
	}
}

// sessionCost is the cost in bytes of a session and its connection, without its channels.
const sessionCost = 4 << 10

// Footprint returns an estimate of the memory in use in bytes: sessions, joined channels, bytes
// held for peers, and the engine's history. It is fast. After it has fallen, a garbage collection
// can free memory.
func (h *Hub) Footprint() int64 {
	return int64(h.Sessions())*sessionCost + h.room.used.Load() + h.ledger.stats().Bytes + h.engineStats().Bytes
}

// cost returns the cost of the channel without its sessions and its presence.
func (ch *channel) cost() int64 {
	return channelCost + 2*int64(len(ch.name))
}
