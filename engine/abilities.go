package engine

import "context"

// This file has what an engine may offer in addition to [Engine]. The hub finds each by a type
// assertion on the engine that it was given, so a wrapper has to pass the methods on.

// A Batcher publishes many messages with one call, which lets an engine write them to its store
// together. Without it the hub calls Publish for each message.
type Batcher interface {
	// PublishMany publishes the items in their order and returns a result for each of them. A
	// failure of one item does not affect the others. The rules of [Engine.Publish] apply to each.
	PublishMany(ctx context.Context, items []Item) []Result
}

// An Item is one message of [Batcher.PublishMany].
type Item struct {
	Channel string
	Message Message
}

// A Result is the outcome of one [Item]: the acknowledgement, or the error.
type Result struct {
	Ack Ack
	Err error
}

// An Immediate engine never waits for a disk, a network or another process. The hub calls it on
// the caller's goroutine, and without limits on the number and time of calls.
type Immediate interface {
	// Immediate reports whether no call waits. Its result does not change.
	Immediate() bool
}

// A Readier knows whether it can accept publications.
type Readier interface {
	// Ready returns nil, or an error that says why the engine cannot accept publications now. It
	// returns quickly. The server's /readyz shows the error.
	Ready() error
}

// A Lister lists the channels that have publications.
type Lister interface {
	// ListChannels returns the names of the channels that have at least one publication,
	// begin with the prefix and come after the name given: the first ones in byte order, at
	// most limit.
	ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error)
}

// A Stater counts what it holds and what it has dropped.
type Stater interface {
	// Stats returns the counters. It returns quickly.
	Stats() Stats
}

// Stats describes the data that an engine holds at this moment, and counts the data that
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
