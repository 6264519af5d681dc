package auth

import (
	"context"
	"errors"
)

// A Store keeps the tokens, keys and revocations of an [Authority]. It keeps them as a log of
// lines, each of which is one change. The same lines in the same order always produce the same
// tokens, keys and revocations. Several authorities may share a store: each of them then has the
// changes of all.
//
// A line is a JSON object without a line break. Only the Authority knows its members. Lines contain
// tokens and keys only as hashes. The first line of a shared store contains a secret: the key from
// which the names of users without a name are made.
//
// # Order
//
// All lines of a store have one order, and every authority reads them in this order. The position
// of a line is a number greater than the positions of all lines before it. Positions start above
// 0, and need not be consecutive.
//
// # Durability
//
// When Append returns nil, its lines are durable: they survive a crash of any process and of the
// machine, and every later Replay returns them. A Replay returns either all lines of one Append or
// none, and no other line stands between them. A store does not drop a line on its own. A
// [Compactor] replaces lines with others that have the same effect.
//
// # Conflicts
//
// An Authority decides on a change with the state that results from the lines it has read. For
// this reason Append refuses its lines with [ErrConflict] unless the authority has read the whole
// log. The authority then reads the rest, decides again, and tries again. It also reads the rest
// before it refuses a change. So of two changes at the same time, one comes first, and the other is
// decided on as if the first one had been made long before:
//
//   - Two authorities create a key with the same name: the second is refused if two valid keys have
//     the name already.
//   - One changes a token while another one deletes or revokes it: if the change comes second it
//     fails with [fault.NoToken]. If it comes first, the deletion applies to the changed token. A
//     deleted token never becomes valid again.
//   - Both change the same token: the second change applies to the result of the first, so both take
//     effect. If both change the same field, the second one wins.
//   - One creates a token with an API key that another one revokes: if the creation comes second it
//     fails with [fault.InvalidKey]. If it comes first, the token is revoked with the key.
//   - Both revoke the tokens of a user, or of a key, or all tokens: the revocations are united.
//
// # Failure
//
// If Append returns any other error than ErrConflict, the lines may have been kept or not, but not
// in part. If they were kept, a later Replay returns them, and the change takes effect then. An
// authority reports such an error to its caller as [fault.NotStored]. It applies a revocation anyway,
// and repeats the Append until it succeeds.
//
// # Concurrency
//
// An authority calls Replay, Append and Note one at a time. It may call Wait and Ready at any time.
// It calls Close once, after all other calls have returned.
type Store interface {
	// Replay calls apply with each line whose position is greater than after, in order. It returns
	// the position of the last line that was applied, or the argument after if there was none. A
	// position of 0 means the beginning of the log. The line is valid until apply returns. If apply
	// returns an error, Replay stops and returns an error that wraps it. If lines after the position
	// were replaced by others, the error is [ErrCompacted], and apply may have been called already.
	Replay(ctx context.Context, after uint64, apply func(line []byte) error) (last uint64, err error)

	// Wait returns nil as soon as there is a line after the position. It may also return nil without
	// a reason. It returns an error when ctx is done, or if it cannot find out.
	Wait(ctx context.Context, after uint64) error

	// Append adds lines to the end of the log, all or none, and returns the position of the last one
	// when they are durable. If there are lines after the position that the caller gives, it adds
	// nothing and returns ErrConflict. The store must not keep or change the lines.
	Append(ctx context.Context, after uint64, lines ...[]byte) (last uint64, err error)

	// Note adds lines whose loss does no harm, for example the time at which a key was last used.
	// It neither checks for conflicts nor waits until the lines are durable. Replay may return them
	// to the authority that added them.
	Note(ctx context.Context, lines ...[]byte) error

	// Ready returns nil, or why the store cannot keep lines.
	Ready() error

	// Close releases the store's resources.
	Close() error
}

// ErrConflict is returned by [Store].Append if the log has lines that the caller has not read.
var ErrConflict = errors.New("another change came first")

// ErrCompacted is returned by [Store].Replay if lines that the caller has not read were replaced by
// others with the same effect. The lines that the caller has read before are no longer of use: it must
// begin with an empty state and the position 0.
var ErrCompacted = errors.New("lines that were not read yet have been replaced by others")

// A Compactor is a [Store] whose log grows until its authority replaces the lines with fewer ones.
type Compactor interface {
	Store

	// Compaction returns nil if the log needs no compaction now. Otherwise it returns a function that
	// replaces all lines up to the authority's position with those that the argument passes to write.
	// The authority calls Compaction one at a time with Replay, Append and Note. It may call the
	// function at the same time as any other method, except Close. The lines have the effect of all
	// lines that the authority had read when it called Compaction.
	Compaction() func(ctx context.Context, lines func(write func(line []byte) error) error) error
}

// A Fence is a [Store] that can be cut off from the other authorities. An authority whose store is
// cut off refuses all tokens and keys with [fault.AuthUnavailable], because they may have been
// revoked.
type Fence interface {
	Store

	// Current returns nil if the authority has read all lines that were acknowledged until shortly
	// before. Otherwise it returns why that is not certain. It does not wait.
	Current() error
}
