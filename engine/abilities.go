package engine

import "context"

// This file has the optional abilities of an engine. The hub finds each by a type assertion on the
// engine that it was given, so an engine that wraps another one must pass these methods on.

// A Batcher publishes many messages in one call, so that the engine can write them to its store
// together. Without it the hub calls Publish for each message.
type Batcher interface {
	// PublishMany publishes the items in order and returns a result for each. A failure of one item
	// does not affect the others. The rules of [Engine.Publish] apply to each item.
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

// An Immediate engine never waits for a disk, a network or another process. The hub calls it on the
// caller's goroutine, without limits on the number and the duration of calls.
type Immediate interface {
	// Immediate reports whether no call ever waits. The result does not change.
	Immediate() bool
}

// A Readier reports whether it can accept publications.
type Readier interface {
	// Ready returns nil, or an error that says why the engine cannot accept publications now. It
	// returns quickly. The server's /readyz shows the error.
	Ready() error
}

// A Lister lists the channels that have publications.
type Lister interface {
	// ListChannels returns the names of channels that have at least one publication: the first ones
	// in byte order that begin with the prefix and come after the name given, at most limit.
	ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error)
}

// A Stater has statistics about the data that it keeps and has dropped.
type Stater interface {
	// Stats returns the statistics. It returns quickly.
	Stats() Stats
}

// Stats describes the data that an engine keeps now, and counts the data that it has dropped so
// far.
type Stats struct {
	Channels     int64 // logs that keep something, or did so within the last hour
	Followed     int64 // channels that are followed and keep nothing; they do not count as Channels
	Publications int64 // kept publications
	Keys         int64 // remembered idempotency keys
	Bytes        int64 // size of the kept data, including an estimate of the overhead

	// Evicted counts the dropped publications. Each has one cause, so Evicted is the sum of the
	// three counters below.
	Evicted       uint64
	EvictedAge    uint64 // older than the channel's maximum age
	EvictedBounds uint64 // over the channel's maximum number of messages or bytes
	EvictedMemory uint64 // the oldest of all channels, because all together used too much memory
}
