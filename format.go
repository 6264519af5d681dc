package boreas

import (
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A Format encodes publications and other events for a wire. One Format serves many sessions: its
// methods keep no state and may be called by many goroutines at once. Sessions whose formats are
// equal (==) share encoded bytes. So use a pointer or a comparable value, the same for all sessions
// with one encoding.
type Format interface {
	// AppendPublication appends the encoding of p, which was published on the channel. Epoch is the
	// epoch of its position.
	AppendPublication(dst []byte, channel string, epoch uint64, p *engine.Publication) []byte

	// AppendPing appends a message that a living client answers.
	AppendPing(dst []byte) []byte

	// AppendEnd appends the final bytes of a session that ends for the reason.
	AppendEnd(dst []byte, reason error) []byte
}

// A NoticeFormat is a Format whose wire has messages about gaps, presence, expiry and shutdown. A
// session with any other Format ends where it would have to skip messages, because a client must
// not miss messages unnoticed.
type NoticeFormat interface {
	Format

	// AppendGap appends the notice that the session does not receive the publications of the gap.
	AppendGap(dst []byte, channel string, g Gap) []byte

	// AppendPresence appends a presence event of the channel: the JSON text of a [PresenceEvent].
	AppendPresence(dst []byte, channel string, event []byte) []byte

	// AppendExpiring appends the notice that the session's token expires at the given time, which is
	// the given duration from now. The client should send another token.
	AppendExpiring(dst []byte, at time.Time, within time.Duration) []byte

	// AppendGoodbye appends the notice that the session will end for the reason, within the given time.
	AppendGoodbye(dst []byte, reason error, within time.Duration) []byte
}

// A SessionFormat is a NoticeFormat whose bytes contain the session's positions on all its
// channels, so that sessions cannot share them.
type SessionFormat interface {
	NoticeFormat

	// At returns the format for one batch, which begins at these positions of the session. One
	// goroutine uses it once. It may keep count of the publications that it has appended.
	At(positions func(channel string) engine.Position) NoticeFormat
}

// A CompressedFormat is a Format whose encodings of publications are compressed. The hub makes each
// of them once, for all sessions whose formats are equal, and keeps them for a while. There is no
// compressor for each session: an encoding may refer to the publication before it, which all
// subscribers of a channel have just received.
type CompressedFormat interface {
	Format

	// AppendCompressed is AppendPublication with compression. If prev is not nil, it is a publication
	// of the same channel that the client has received as its newest compressed one, and the encoding
	// may refer to it. Compressed reports whether a later encoding may refer to p; it is false if p
	// has been appended without compression. The same arguments must give the same bytes.
	AppendCompressed(dst []byte, channel string, epoch uint64, p, prev *engine.Publication) (_ []byte, compressed bool)

	// WholeStream reports whether the client decompresses everything that it receives. If so, an
	// encoding after other bytes, such as a ping, does not refer to the publication before these
	// bytes. If not, only compressed publications count.
	WholeStream() bool
}

// A Gap describes publications of a channel that a session does not receive: those after From, up
// to and including To.
type Gap struct {
	Reason   GapReason
	From, To engine.Position
}

// A GapReason is the reason why publications are left out.
type GapReason string

// The reasons.
const (
	GapExpired      GapReason = "expired"       // the publications are no longer kept
	GapUnknownEpoch GapReason = "unknown_epoch" // the epoch of From is not the log's
	GapAhead        GapReason = "ahead"         // From is after the newest publication
	GapSlow         GapReason = "slow"          // the log has moved past the position of a slow session
	GapPurged       GapReason = "purged"        // the publications were purged; see [Hub.Purge]
	GapConflated    GapReason = "conflated"     // a slow session skips to the newest publication
)
