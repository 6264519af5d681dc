package boreas

import (
	"context"
	"errors"
)

// A Publication is one message on a channel. It is immutable once published.
type Publication struct {
	// Offset is the publication's place in its channel's log. Offsets of a
	// channel increase; they need not be dense, and the first is above 0.
	Offset uint64

	// Time is when the engine accepted it, in nanoseconds since 1970 UTC.
	Time int64

	// Data is the message: one JSON text in valid UTF-8, without newlines.
	Data []byte
}

// History is a stretch of a channel's log, as [Engine.Read] found it.
type History struct {
	// Publications are those after the position asked for, oldest first.
	Publications []*Publication

	// Floor is the place after which the log is whole: a reader at Floor or
	// later has lost nothing.
	Floor Position

	// Head is the place of the newest publication, or where the log starts if
	// it never had one.
	Head Position
}

// Errors of [Engine.Read].
var (
	// ErrExpired: publications after the position asked for are no longer kept.
	ErrExpired = errors.New("boreas: position has expired: publications after it are no longer kept")

	// ErrUnknownEpoch: the position belongs to another life of the log.
	ErrUnknownEpoch = errors.New("boreas: position is from another life of the channel's log")

	// ErrAhead: the position is after the newest publication.
	ErrAhead = errors.New("boreas: position is ahead of the channel's log")
)

// An Engine keeps the publications of all channels and carries them to the hub.
//
// The rules, which [github.com/boreas-pubsub/boreas/boreastest.TestEngine] checks:
//
//   - Order. Each channel is a log. Offsets increase in the order of publishing,
//     and Follow and Read give publications in that order.
//   - Acknowledgement. When Publish returns without error the publication is kept
//     as the engine promises (in memory, on disk, on a quorum). It may reach
//     followers before or after that. When Publish fails, the publication may or
//     may not have been kept.
//   - Retention. An engine may drop a channel's oldest publications at any time,
//     never one in the middle. What it dropped raises Floor for good.
//   - Epoch. Positions of one life of a log share an epoch; a log that may have
//     lost its tail starts a new one.
//   - Concurrency. All methods may be called by many goroutines at once.
type Engine interface {
	// Publish appends data to the channel's log and returns its position.
	// The engine keeps data: the caller must not change it any more.
	Publish(ctx context.Context, channel string, data []byte) (Position, error)

	// Follow calls deliver with each publication after head, in order, none
	// twice and none left out, until stop is called. Deliver is called by one
	// goroutine at a time for one Follow; it does not block and does not call
	// the engine. Stop may be called once, and not from deliver; when it has
	// returned, deliver is not called any more.
	Follow(ctx context.Context, channel string, deliver func(*Publication)) (head Position, stop func(), err error)

	// Read returns at most limit of the publications after since; a limit of 0
	// asks for the bounds only. The zero Position stands for the floor.
	// The history's bounds are valid also with the errors ErrExpired,
	// ErrUnknownEpoch and ErrAhead. A channel never heard of has an empty log.
	Read(ctx context.Context, channel string, since Position, limit int) (History, error)

	// Close releases what the engine holds. Calls after it fail with ErrClosed.
	Close() error
}
