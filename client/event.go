package client

import (
	"encoding/json"
	"fmt"
)

// An Event is what [Subscription.Events] yields: a *[Message], a *[Joined] or a
// *[PresenceChange].
type Event interface {
	// event keeps others out, so that a new kind of event is seen here.
	event()
}

// A Message is what someone published on a channel.
type Message struct {
	Channel string
	Data    json.RawMessage // one JSON text, as it was published

	// Position is the place after the message: give it as Since to go on from
	// here, also in another process and later. The classic wire has none.
	Position string
}

// Joined tells that the server has taken a subscription: at its beginning, and
// again each time it goes on after the connection was lost or the loop over its
// events was too slow.
type Joined struct {
	Channel string

	// Position is the place from which the stream goes on.
	Position string

	// Since is the place that the server was asked to go on from; "" if the
	// subscription began at the newest message.
	Since string

	// Recovered tells that every message after Since follows. If it is false and
	// there was a Since, a [Gap] follows at once.
	Recovered bool

	// Presence is who is on the channel; nil if that was not asked for. It
	// replaces all that was known; each [PresenceChange] applies to it.
	Presence *PresenceState
}

// A PresenceChange tells who came or went on a channel.
type PresenceChange struct {
	Channel string `json:"-"`

	// Event is "join", when the first session of a user is there; "leave", when
	// the last one is gone; "count", when users are only counted; or "state", when
	// Members replaces all that was known.
	Event string `json:"event"`

	User    string          `json:"user,omitempty"`    // of join and leave
	Info    json.RawMessage `json:"info,omitempty"`    // of join: what the user shows, if anything
	Members []Member        `json:"members,omitempty"` // of state

	// Verified reports, for a join, whether Info comes from the user's token. Otherwise it is a
	// claim of the user's client. A join of a user who is already present replaces Info.
	Verified bool `json:"verified,omitempty"`

	Users    int `json:"users"`    // after the change
	Sessions int `json:"sessions"` // after the change
}

// A PresenceState is who is on a channel at one moment.
type PresenceState struct {
	Users    int      `json:"users"`
	Sessions int      `json:"sessions"`
	Members  []Member `json:"members"` // sorted by user; nil where users are only counted
}

// A Member is a user who is on a channel.
type Member struct {
	User     string          `json:"user"`
	Sessions []string        `json:"sessions"`
	Info     json.RawMessage `json:"info,omitempty"` // the user's info, if any

	// Verified reports whether Info comes from the user's token. Otherwise it is a claim of the
	// user's client.
	Verified bool `json:"verified,omitempty"`
}

func (*Message) event()        {}
func (*Joined) event()         {}
func (*PresenceChange) event() {}

// A Gap tells that messages of a channel are not delivered: those after From, up to
// and including To. It is yielded in their place, as an error, so that a loop can't
// overlook it; the stream goes on after it with the first message after To. For
// errors.Is it is [ErrMayHaveMissed].
type Gap struct {
	Channel string `json:"-"`

	// Reason is why: "expired", the messages are no longer kept; "unknown_epoch",
	// the log began anew; "ahead", the log has lost its end; "slow", they were
	// read too slowly; "conflated", slow readers of the channel get only the newest
	// message.
	Reason string `json:"reason"`

	From string `json:"from"`
	To   string `json:"to"`

	// Oldest is the oldest place from which everything is still kept; "" if the
	// server did not say.
	Oldest string `json:"-"`
}

func (g *Gap) Error() string {
	return fmt.Sprintf("messages on %q are missing, those after %s up to %s (%s)", g.Channel, g.From, g.To, g.Reason)
}

// Is makes errors.Is(err, ErrMayHaveMissed) true.
func (g *Gap) Is(target error) bool { return target == ErrMayHaveMissed }
