package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// An Event is what [Subscription.Events] yields: a *[Message], a *[Joined] or a
// *[PresenceChange].
type Event interface {
	// event is unexported, so that all kinds of events are defined in this package.
	event()
}

// A Message is a message that was published on a channel.
type Message struct {
	Channel string
	Data    json.RawMessage // one JSON value, as it was published

	// Position is the message's position. Pass it as Since to resume after this message, even later
	// or in another process. It is "" on the classic wire.
	Position string

	// Time is when the server accepted the message, by its clock. It is known only from History with
	// Times; otherwise it is zero.
	Time time.Time
}

// Joined reports that the server accepted a subscription: once at its beginning, and again whenever
// it resumes after a lost connection or a loop that was too slow.
type Joined struct {
	Channel string

	// Position is the position from which the stream continues.
	Position string

	// Since is the requested position; "" if the subscription began at the newest message.
	Since string

	// Recovered reports whether every message after Since follows. If it is false and Since is not
	// "", the next event is a [Gap].
	Recovered bool

	// Presence lists the users on the channel; nil if presence was not requested. It replaces any
	// earlier state. Apply each later [PresenceChange] to it.
	Presence *PresenceState
}

// A PresenceChange reports a change of the users on a channel.
type PresenceChange struct {
	Channel string `json:"-"`

	// Event is "join" for the first session of a user, "leave" for the end of the user's last
	// session, "count" if the server only counts the channel's users, or "state" if Members replaces any earlier
	// state.
	Event string `json:"event"`

	User    string          `json:"user,omitempty"`    // for join and leave
	Info    json.RawMessage `json:"info,omitempty"`    // for join: the user's info, if any
	Members []Member        `json:"members,omitempty"` // for state

	// Verified reports, for a join, whether Info comes from the user's token. Otherwise the user's
	// client chose it. A join of a user who is already present replaces Info.
	Verified bool `json:"verified,omitempty"`

	Users    int `json:"users"`    // after the change
	Sessions int `json:"sessions"` // after the change
}

// A PresenceState is a snapshot of the users on a channel.
type PresenceState struct {
	Users    int      `json:"users"`
	Sessions int      `json:"sessions"`
	Members  []Member `json:"members"` // sorted by user; nil if the server only counts the users
}

// A Member is a user on a channel.
type Member struct {
	User     string          `json:"user"`
	Sessions []string        `json:"sessions"`
	Info     json.RawMessage `json:"info,omitempty"` // the user's info, if any

	// Verified reports whether Info comes from the user's token. Otherwise the user's client chose
	// it.
	Verified bool `json:"verified,omitempty"`
}

func (*Message) event()        {}
func (*Joined) event()         {}
func (*PresenceChange) event() {}

// A Gap reports messages of a channel that are not delivered: those after From, up to and including
// To. It is yielded as an error in their place, so that a loop cannot overlook it. The stream then
// continues with the first message after To. errors.Is reports that a Gap is [ErrMayHaveMissed].
type Gap struct {
	Channel string `json:"-"`

	// Reason is one of: "expired", the messages are no longer kept; "purged", an operator has purged the
	// channel; "unknown_epoch", the log was
	// started anew; "ahead", the log has lost its newest messages; "slow", the client read too
	// slowly; "conflated", slow readers of the channel receive only the newest message.
	Reason string `json:"reason"`

	From string `json:"from"`
	To   string `json:"to"`

	// Oldest is the oldest position after which every message is kept; "" if the server did not
	// send it.
	Oldest string `json:"-"`
}

func (g *Gap) Error() string {
	return fmt.Sprintf("messages on %q are missing, those after %s up to %s (%s)", g.Channel, g.From, g.To, g.Reason)
}

// Is makes errors.Is(err, ErrMayHaveMissed) true.
func (g *Gap) Is(target error) bool { return target == ErrMayHaveMissed }
