package tail

import (
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A Kind says what has happened.
type Kind string

// The kinds of events.
const (
	Message       Kind = "message"       // a message was accepted
	Opened        Kind = "opened"        // a session began
	Authenticated Kind = "authenticated" // a session got a grant
	Ended         Kind = "ended"         // a session ended
	Refused       Kind = "refused"       // a request was refused
	Gap           Kind = "gap"           // a session has missed messages, and was told so
	Presence      Kind = "presence"      // a session is present on a channel, or is not any more
)

// Kinds returns all kinds of events.
func Kinds() []Kind { return slices.Clone(kinds[:]) }

var kinds = [...]Kind{Message, Opened, Authenticated, Ended, Refused, Gap, Presence}

// An Event is something that has happened. Fields that do not apply are empty. An event is immutable,
// and so are its bytes.
type Event struct {
	Kind Kind
	Time time.Time

	Channel string
	Session string // its ID
	User    string
	Token   string // the ID of the session's token, or of the token of a refused request
	Key     string // the ID of the API key that published the message
	Address string // the client's

	// Message only.
	Position engine.Position // also Gap: where the session goes on
	Data     []byte

	// Traceparent is the trace that the publish of the message was a part of.
	Traceparent string

	From      engine.Position // Gap: the last position that the session has received
	Cause     string          // Gap: the reason. Presence: "enter", "leave" or "info"
	Transport string          // Opened, Refused
	Reason    error           // Ended
	Code      string          // Refused: the error's code
	Text      string          // Refused: the message that the client received
	Verb      string          // Refused: the request
}

// A Filter selects events. The zero Filter selects all.
type Filter struct {
	// Channels, if not nil, selects events about channels that it matches.
	Channels *access.Pattern

	// Within, if not nil, selects events about channels that at least one of these patterns matches.
	Within []access.Pattern

	Kinds   []Kind // nil means all
	User    string // if not "", only events about this user
	Session string // if not "", only events about this session
}

// Matches reports whether the filter selects the event.
func (f *Filter) Matches(e *Event) bool {
	return (f.Kinds == nil || slices.Contains(f.Kinds, e.Kind)) && (f.User == "" || f.User == e.User) &&
		(f.Session == "" || f.Session == e.Session) && (f.Channels == nil || e.Channel != "" && f.Channels.Match(e.Channel)) &&
		(f.Within == nil || e.Channel != "" && slices.ContainsFunc(f.Within, func(p access.Pattern) bool { return p.Match(e.Channel) }))
}

// AboutChannels reports whether the events of a kind are about channels, except for some refusals.
func (k Kind) AboutChannels() bool { return k != Opened && k != Authenticated && k != Ended }
