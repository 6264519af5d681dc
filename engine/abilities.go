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

// A Peeker waits for its store, but not for what it also has in memory. Thousands of clients that
// reconnect at once then neither take places among the calls under way nor goroutines. Follow of
// such an engine never waits, and the hub calls it on the caller's goroutine.
type Peeker interface {
	// Peek is [Engine.Read], but never waits. It reports false if only Read can answer.
	Peek(channel string, since Position, limit Limit) (h History, ok bool, err error)
}

// A Punctual engine keeps its deadlines when it publishes. The hub then calls it on the caller's
// goroutine: a busy publisher does not pay for a goroutine with each message.
type Punctual interface {
	// Punctual reports whether Publish and PublishMany always return soon after their context has
	// ended, whatever the disk or the network does. The result does not change.
	Punctual() bool
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

// A Counter counts publications without reading them. Without it the hub assumes that the offsets of a
// channel have no holes, and does not know how much is published on a channel.
type Counter interface {
	// Published returns how many publications the channel has got since the engine was opened. It
	// begins again at 0 if the engine forgets a channel that keeps nothing and is not followed.
	Published(channel string) uint64

	// MostPublished returns the channels whose names begin with the prefix and of which Published is
	// highest, at most limit. It leaves out channels of which Published is 0.
	MostPublished(prefix string, limit int) []Published

	// CountAfter returns how many publications of a channel it keeps after the position. It never
	// waits. It returns 0 for a position of another epoch, and may leave out publications that only
	// a store has whose contents the engine does not know.
	CountAfter(channel string, since Position) int
}

// Published is the number of publications of a channel.
type Published struct {
	Channel string
	Count   uint64
}

// A Purger drops the publications of a channel when somebody asks for it.
type Purger interface {
	// Purge drops all publications of a channel, and returns the position up to which they are gone.
	// Later publications come after it. A reader at that position has missed nothing. A Read from an
	// earlier one returns [ErrPurged] as long as the engine knows that they were purged, and
	// [ErrExpired] later. Followers learn nothing, and keys stay remembered.
	//
	// When Purge returns without an error, the purge lasts as a publication does: the publications do
	// not come back. When it fails, they may or may not be gone. A repetition also
	// drops the publications since then.
	Purge(ctx context.Context, channel string) (Position, error)
}

// A Relimiter has limits for each channel, and can be told that they have changed.
type Relimiter interface {
	// Relimit asks for the limits of all channels again and drops what is over them. It returns
	// quickly.
	Relimit()
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
	// five counters below.
	Evicted       uint64
	EvictedAge    uint64 // older than the channel's maximum age
	EvictedBounds uint64 // over the channel's maximum number of messages or bytes
	EvictedMemory uint64 // the oldest of all channels, because all together used too much memory
	EvictedDisk   uint64 // the oldest of all channels, because all together used too much of the disk
	EvictedPurge  uint64 // see [Purger]

	// Store describes the files of an engine that has some; otherwise it is nil.
	Store *StoreStats
}

// StoreStats describes the files in which an engine keeps its data.
type StoreStats struct {
	Segments int64  // number of files with messages
	Bytes    int64  // their size
	Free     int64  // bytes that the file system has left for this process; -1 if unknown
	Written  uint64 // bytes written so far by this process

	// Failed is the reason why the engine accepts no publications until it is opened again, or nil.
	Failed error

	// Sync measures the calls that wait until the disk has what was written, in seconds.
	// Batch counts the publications of each of these calls.
	Sync, Batch Histogram
}

// A Histogram counts measured values, as Prometheus' histograms do.
type Histogram struct {
	Bounds []float64 // upper bounds of the buckets, in ascending order
	Counts []uint64  // number of values up to each bound, and above the bound before
	Count  uint64    // number of all values, also those above the last bound
	Sum    float64
}
