package engine

import "context"

// channelLister is an engine that can list the channels that have publications.
type Lister interface {
	// ListChannels returns the names of the channels that have at least one publication,
	// begin with the prefix and come after the name given: the first ones in byte order, at
	// most limit.
	ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error)
}

// statsEngine is an engine that tells what it holds.
type Stater interface{ Stats() Stats }

// EngineStats describes the data that an engine holds at this moment, and counts the data that
// it has dropped so far.
type Stats struct {
	Channels     int64 // logs that keep something, or did within the last hour
	Followed     int64 // channels that are followed and keep nothing; not among Channels
	Publications int64 // kept
	Keys         int64 // idempotency keys remembered
	Bytes        int64 // kept, overhead included as an estimate

	// Evicted counts the publications that were dropped, for whatever cause. Each
	// was dropped for one cause, so that the three counters below it add up to it.
	Evicted       uint64
	EvictedAge    uint64 // older than their channel keeps them
	EvictedBounds uint64 // more messages or bytes than their channel keeps
	EvictedMemory uint64 // the oldest of all, when all together took too much memory
}
