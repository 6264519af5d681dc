package boreas

import "encoding/json"

// A Join says where on a channel a session begins.
type Join struct {
	Channel string

	// Since is a place: if everything after it is still kept, the session begins
	// there. The zero Position asks for nothing.
	Since Position

	// Last is how many of the newest publications come first, where Since is not
	// given or cannot be had.
	Last int

	// Watch asks for the channel's presence events.
	Watch bool

	// Info is shown to those who watch: nil or one JSON text of at most [MaxInfo] bytes.
	Info json.RawMessage

	// Err, if set by the caller, becomes the result: the channel is not joined.
	Err error
}

// A Joined is the result of one Join.
type Joined struct {
	// Err is why the channel was not joined. Errors: [ErrChannelName], [ErrAnonymous],
	// [ErrTooManyChannels], [ErrTooManySubscribers], [ErrAlreadyJoined],
	// [ErrNoPresence], [ErrInfoTooLarge], [ErrClosed] if the session has ended, and
	// those of the engine. All else is zero then.
	Err error

	// Position is where the session begins.
	Position Position

	// Recovered tells that Position is the Since asked for, and everything after
	// it comes. If it is false and there was a Since, Gap says what is missing,
	// and Oldest is the oldest place from which everything is kept.
	Recovered bool
	Gap       Gap
	Oldest    Position

	// Presence is who is there, before the first event; nil unless Watch was set.
	Presence *PresenceState
}
