package boreas

import (
	"time"

	"github.com/boreas-pubsub/boreas/engine"
)

// A Format is a wire form: it turns what a session is told into bytes. One Format
// serves many sessions; its methods have no state and may be called at once by
// many goroutines. Formats are compared with ==, so use a pointer or a comparable
// value, the same for all sessions of a form: they share what is encoded.
type Format interface {
	// AppendPublication appends the form of p, published on the channel. Epoch is
	// that of its position.
	AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte

	// AppendPing appends what makes a living peer answer.
	AppendPing(dst []byte) []byte

	// AppendEnd appends the last words of a session that ends for the reason.
	AppendEnd(dst []byte, reason error) []byte
}

// An Announcer is a format whose wire can tell a session what happens to it. A session
// with any other format is ended instead: what cannot be told must not happen unseen.
type NoticeFormat interface {
	Format

	// AppendGap appends that publications were left out.
	AppendGap(dst []byte, channel string, g Gap) []byte

	// AppendPresence appends a presence event of the channel: the JSON text of a
	// [PresenceEvent].
	AppendPresence(dst []byte, channel string, event []byte) []byte

	// AppendExpiring appends that the session's token ends at that time, and within
	// which time that is: it should show another.
	AppendExpiring(dst []byte, at time.Time, within time.Duration) []byte

	// AppendGoodbye appends that the session will end for the reason, and will do so
	// within the time given.
	AppendGoodbye(dst []byte, reason error, within time.Duration) []byte
}

// A PersonalFormat is an Announcer that needs to know where the session is on all its
// channels: nothing that it appends can be shared between sessions.
type SessionFormat interface {
	NoticeFormat

	// At returns the format for one batch, which the session begins with these
	// positions. It is used by one goroutine, once, and may keep count of what it
	// has appended.
	At(positions func(channel string) engine.Position) NoticeFormat
}

// A Gap tells which publications of a channel a session does not get: those after From,
// up to and including To.
type Gap struct {
	Reason   GapReason
	From, To engine.Position
}

// A GapReason says why publications are left out.
type GapReason string

// The reasons.
const (
	GapExpired      GapReason = "expired"       // they are no longer kept
	GapUnknownEpoch GapReason = "unknown_epoch" // From is of another life of the log
	GapAhead        GapReason = "ahead"         // From is after the newest publication
	GapSlow         GapReason = "slow"          // the log has moved past a slow session
	GapConflated    GapReason = "conflated"     // a slow session skips to the newest one
)
