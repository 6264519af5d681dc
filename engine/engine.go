package engine

import (
	"context"
	"errors"
)

// A Publication is one message on a channel. It is immutable once published.
type Publication struct {
	// Offset is the publication's position in its channel's log. Offsets of a channel increase;
	// they need not be dense, and the first is above 0.
	Offset uint64

	// Time is when the engine accepted it, in nanoseconds since 1970 UTC, by this machine's clock
	// at that moment. It is for display only: the clock may be set at any time, so a later
	// publication may have an earlier time.
	Time int64

	// Data is the message: one JSON text in valid UTF-8, without newlines.
	Data []byte

	// Sender is the number of the session that published it and does not want it
	// back, 0 if there is none such.
	Sender uint64
}

// A Message is what is to be published.
type Message struct {
	// Data is one JSON text in valid UTF-8, without newlines. The engine keeps it:
	// the caller must not change it any more.
	Data []byte

	// Key, if not empty, makes publishing idempotent. It has at most [MaxKey] bytes.
	Key string

	// Sender becomes the publication's.
	Sender uint64

	// Publisher names the client that publishes, "" for a backend that is trusted. An engine that
	// has a limit for all publishers together also has one for each publisher, and never refuses a
	// message without a publisher because messages with a publisher have used up the limit.
	// [Session.Publish] sets it.
	Publisher string
}

// An Ack is an engine's acknowledgement of a message.
type Ack struct {
	// Position is the publication's.
	Position Position

	// Duplicate tells that the message had been published before with the same key:
	// nothing was appended, and Position is that of the first.
	Duplicate bool
}

// History is a part of a channel's log, as [Engine.Read] returns it.
type History struct {
	// Publications are the publications after the requested position, oldest first.
	Publications []*Publication

	// More reports whether the [Limit] left out publications that come after the returned ones.
	More bool

	// Floor is the position after which the log is complete: a reader at Floor or later has lost
	// nothing.
	Floor Position

	// Head is the position of the newest publication, or the start of the log if it never had one.
	// An engine whose channels share one sequence may return a later position if there is no
	// publication in between. Unless More is set, Read returns every publication up to Head.
	Head Position
}

// A Limit bounds how much one [Engine.Read] returns.
type Limit struct {
	// Messages is the maximum number of publications: the oldest ones after the position. A negative
	// number requests the newest -Messages instead. 0 requests the positions only, without
	// publications.
	Messages int

	// Bytes ends the read once the returned publications have so many bytes of data. The publication
	// that reaches the limit is returned whole, so a read returns at least one publication if there
	// is one. 0 means no limit.
	Bytes int
}

// A Follower receives the publications of one channel from [Engine.Follow]. The engine calls its
// methods from one goroutine at a time. They do not block and do not call the engine.
type Follower interface {
	// Deliver receives the next publication.
	Deliver(p *Publication)

	// Reset reports that the log was cut off: publications that the follower has not received are
	// lost, or the log has started a new epoch. The next publication is the first one after head.
	// The hub tells each subscriber where the gap is. Reason is the cause, for the log.
	Reset(head Position, reason error)
}

// Errors of [Engine.Read].
var (
	// ErrExpired: publications after the position asked for are no longer kept.
	ErrExpired = errors.New("boreas: position has expired: publications after it are no longer kept")

	// ErrUnknownEpoch: the position belongs to another life of the log.
	ErrUnknownEpoch = errors.New("boreas: position belongs to an earlier log of the channel")

	// ErrAhead: the position is after the newest publication.
	ErrAhead = errors.New("boreas: position is ahead of the channel's log")
)

// Errors of [Engine.Publish].
var (
	// ErrKeyReused: another message was published with this key before.
	ErrKeyReused = errors.New("boreas: another message was published on this channel with the same key")

	// ErrTooManyKeys: no more keys can be remembered for now.
	ErrTooManyKeys = errors.New("boreas: too many idempotency keys at once")
)

// ErrClosed: the engine, or the hub that uses it, has been closed.
var ErrClosed = errors.New("boreas: closed")

// MaxKey is the greatest length of an idempotency key, in bytes.
const MaxKey = 128

// An Engine keeps the publications of all channels and carries them to the hub.
//
// The rules, which [github.com/boreas-pubsub/boreas/boreastest.TestEngine] checks:
//
//   - Order. Each channel is a log. Offsets increase in the order of publishing, and Follow and
//     Read return publications in that order.
//   - Acknowledgement. When Publish returns without error the publication is kept
//     as the engine promises (in memory, on disk, on a quorum). It may reach
//     followers before or after that. When Publish fails, the publication may or
//     may not have been kept.
//   - Keys. For a time that the engine chooses, a message with the key of an earlier one on the
//     same channel is not published again: Publish returns the earlier one's position, or
//     ErrKeyReused if the data differ. An engine that cannot remember more keys refuses a
//     message that has a key with ErrTooManyKeys.
//   - Retention. An engine may drop a channel's oldest publications at any time, never one in
//     the middle. Dropping publications raises Floor permanently. How long it keeps publications
//     and keys does not depend on the wall clock, which may be set.
//   - Epoch. The positions of a log share an epoch until the log may have lost its tail; it
//     starts a new epoch in that case, and calls Reset of the channel's followers.
//   - Time. A call may wait, for a disk or for another machine; it ends soon after its
//     context does. The hub gives up on a call after Options.EngineTimeout.
//   - Concurrency. All methods may be called by many goroutines at once.
type Engine interface {
	// Publish appends the message to the channel's log and returns its position.
	Publish(ctx context.Context, channel string, m Message) (Ack, error)

	// Follow calls the follower's Deliver with each publication after head, in order, without
	// duplicates or omissions, until stop is called. It may call the follower before it has
	// returned; that is after head, too. Ctx bounds the call of Follow, not the following. Stop may
	// be called once, and not from the follower; after it has returned, the follower is not called
	// again.
	//
	// The hub follows each channel once, however many subscribers it has. An engine whose channels
	// share one sequence can follow that sequence once for all channels.
	Follow(ctx context.Context, channel string, f Follower) (head Position, stop func(), err error)

	// Read returns publications after since, within the limit. The zero Position stands for the
	// floor. Since need not be the position of a publication: any offset from Floor to Head is
	// valid. The history's Floor and Head are also valid with the errors ErrExpired,
	// ErrUnknownEpoch and ErrAhead. An unknown channel has an empty log.
	//
	// The hub keeps a channel's publications only until they have been written to its subscribers.
	// A client that reconnects causes a Read, so the engine should keep the newest publications of
	// busy channels in memory.
	Read(ctx context.Context, channel string, since Position, limit Limit) (History, error)

	// Close releases what the engine holds. Calls after it fail with ErrClosed.
	Close() error
}
