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

	// Time is when the engine accepted the publication, in nanoseconds since 1970 UTC, by the clock
	// of this machine at that moment. It is for display only: the clock may be set at any time, so
	// a later publication may have an earlier time.
	Time int64

	// Data is the message: one JSON text in valid UTF-8, without newlines.
	Data []byte

	// Sender is the number of the session that published the message and does not want it back, or
	// 0. It is also 0 if that session belongs to another node, whose sessions have the same numbers.
	Sender uint64
}

// A Message is the input of [Engine.Publish].
type Message struct {
	// Data is one JSON text in valid UTF-8, without newlines. The engine keeps it, so the caller
	// must not change it any more.
	Data []byte

	// Key, if not empty, makes publishing idempotent. It has at most [MaxKey] bytes.
	Key string

	// Sender becomes Publication.Sender.
	Sender uint64

	// Publisher names the publishing client; it is "" for a trusted backend. An engine with a limit
	// for all publishers together also has a limit for each publisher, and reserves a part for
	// messages without a publisher.
	// [github.com/boreas-pubsub/boreas/v2.Session.Publish] sets Publisher.
	Publisher string
}

// An Ack is an engine's acknowledgement of a message.
type Ack struct {
	// Position is the position of the publication.
	Position Position

	// Duplicate reports that a message with the same key was published before. Nothing was
	// appended, and Position is the position of the first message. An engine that had to repeat a
	// request to its store may not know whether its own attempt was the first. In that case Duplicate
	// is false.
	Duplicate bool
}

// History is a part of a channel's log, as [Engine.Read] returns it.
type History struct {
	// Publications are the publications after the requested position, oldest first.
	Publications []*Publication

	// More reports whether the [Limit] left out publications that come after the returned ones, or,
	// with [Limit.Before], publications that come before them.
	More bool

	// Floor is the position after which the log is complete: a reader at Floor or later has missed
	// nothing.
	Floor Position

	// Head is the position of the newest publication, or the start of the log if there never was
	// one. An engine whose channels share one sequence may return a later position, if no
	// publication is in between. Unless More or [Limit.Before] is set, Read returns every
	// publication up to Head.
	Head Position
}

// A Limit bounds how much one [Engine.Read] returns.
type Limit struct {
	// Messages is the maximum number of publications: the oldest ones after the position. A negative
	// number requests the newest -Messages instead. 0 requests the positions only, without
	// publications.
	Messages int

	// Bytes ends the read once the returned publications have that many bytes of data. The
	// publication that reaches the limit is returned whole, so a read returns at least one
	// publication if there is one. 0 means no limit.
	Bytes int

	// Before, if not 0, turns the read around: it returns the newest publications before this
	// offset and after the position, at most Messages, and ends once they have Bytes. They are still
	// in order, oldest first. [math.MaxUint64] stands for the newest publications of all; another
	// offset must not be after the head. Messages must not be negative then.
	Before uint64
}

// A Follower receives the publications of one channel from [Engine.Follow]. The engine calls its
// methods from one goroutine at a time. They do not block and do not call the engine.
type Follower interface {
	// Deliver receives the next publication.
	Deliver(p *Publication)

	// Reset reports that the log was cut off: publications that the follower has not received are
	// lost, or the log has started a new epoch. The next publication is the first one after head.
	// The hub tells each subscriber about the gap. Reason is the cause, for the server's log.
	Reset(head Position, reason error)
}

// Errors of [Engine.Read].
var (
	// ErrExpired means that publications after the requested position are no longer kept.
	ErrExpired = errors.New("boreas: position has expired: publications after it are no longer kept")

	// ErrPurged is an [ErrExpired], also for [errors.Is]: the publications after the requested position
	// were purged, and perhaps later ones have expired. See [Purger].
	ErrPurged error = purgedError{}

	// ErrUnknownEpoch means that the position belongs to another epoch of the log.
	ErrUnknownEpoch = errors.New("boreas: position belongs to an earlier log of the channel")

	// ErrAhead means that the position, or [Limit.Before], is after the newest publication.
	ErrAhead = errors.New("boreas: position is ahead of the channel's log")
)

type purgedError struct{}

func (purgedError) Error() string {
	return "boreas: messages after the position were purged: they are no longer kept"
}

func (purgedError) Unwrap() error { return ErrExpired }

// Errors of [Engine.Publish].
var (
	// ErrKeyReused means that another message was published with this key before.
	ErrKeyReused = errors.New("boreas: another message was published on this channel with the same key")

	// ErrTooManyKeys means that the engine cannot remember more keys for now.
	ErrTooManyKeys = errors.New("boreas: too many idempotency keys at once")

	// ErrStorageFull means that there is no room for the message. It was not published. A later
	// attempt may succeed.
	ErrStorageFull = errors.New("boreas: the disk is full")
)

// ErrStorageFailed means that the store could not write or read. After a failure to write, the
// message may or may not have been kept, and the engine accepts no publications until it is opened
// again. After a failure to read, publications that are kept cannot be returned.
var ErrStorageFailed = errors.New("boreas: the disk has failed")

// ErrUnavailable means that the store cannot be reached now. The message may or may not have been
// published: sending it again with the same key is safe. A later attempt may succeed.
var ErrUnavailable = errors.New("boreas: the store cannot be reached now")

// ErrClosed means that the engine, or the hub that uses it, has been closed.
var ErrClosed = errors.New("boreas: closed")

// MaxKey is the maximum length of an idempotency key in bytes.
const MaxKey = 128

// An Engine keeps the publications of all channels and delivers them to the hub.
//
// Its rules, which [github.com/boreas-pubsub/boreas/v2/boreastest.TestEngine] checks:
//
//   - Order. Each channel is a log. Offsets increase in the order of publishing, and Follow and
//     Read return publications in that order.
//   - Acknowledgement. When Publish returns without an error, the publication is kept as the engine
//     promises (in memory, on disk, on a quorum). It may reach followers before that only if it
//     cannot get lost any more: its position may be known to clients then, and must never belong to
//     another message. When Publish fails, the publication may or may not have been kept.
//   - Keys. For a time that the engine chooses, a message with the key of an earlier one on the
//     same channel is not published again: Publish returns the position of the earlier message, or
//     ErrKeyReused if the data differ. An engine that cannot remember more keys refuses a message
//     with a key with ErrTooManyKeys.
//   - Retention. An engine may drop a channel's oldest publications at any time, but never one in
//     the middle. Dropping raises Floor permanently. How long publications and keys are kept does
//     not depend on the wall clock, which may be set.
//   - Epoch. The positions of a log share an epoch until the log may have lost its tail. In that
//     case the engine starts a new epoch, and calls Reset of the channel's followers.
//   - Time. A call may wait for a disk or for another machine. It ends soon after its context ends.
//     The hub gives up on a call after Options.EngineTimeout.
//   - Concurrency. All methods may be called by many goroutines at once.
type Engine interface {
	// Publish appends the message to the channel's log and returns its position.
	Publish(ctx context.Context, channel string, m Message) (Ack, error)

	// Follow calls the follower's Deliver with each publication after head, in order, without
	// duplicates or omissions, until stop is called. It may call Deliver before Follow returns,
	// also only with publications after head. Ctx bounds the call of Follow, not the deliveries.
	// Stop may be called once, and not from the follower. After it has returned, the follower is
	// not called again.
	//
	// The hub follows each channel once, whatever the number of subscribers. An engine whose
	// channels share one sequence can follow that sequence once for all channels.
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

	// Close releases the engine's resources. Later calls fail with ErrClosed.
	Close() error
}
