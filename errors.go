package boreas

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Errors of the hub's calls.
var (
	// ErrClosed: the hub or the engine has been closed.
	ErrClosed = errors.New("boreas: closed")

	// ErrChannelName: not a channel name; see [ValidChannel].
	ErrChannelName = errors.New("not a channel name")

	// ErrTooManySessions: the hub has Options.MaxSessions sessions already.
	ErrTooManySessions = errors.New("boreas: too many sessions")

	// ErrTooManyChannels: the session has joined Options.MaxChannels channels already.
	ErrTooManyChannels = errors.New("boreas: too many channels for one session")

	// ErrAnonymous: the session must authenticate first.
	ErrAnonymous = errors.New("boreas: the session is anonymous: authenticate first")
)

// Reasons for which the hub ends a session. A transport maps them to what its
// wire can say.
var (
	// ErrShuttingDown: the server is going away; come back.
	ErrShuttingDown = errors.New("server is shutting down")

	// ErrSlow: the session read too slowly, and the log has moved past its cursor.
	ErrSlow = errors.New("reading too slowly: messages are no longer kept")

	// ErrBacklog: the session does not read the answers it asked for.
	ErrBacklog = errors.New("not reading: too many unread answers")

	// ErrPingTimeout: the peer did not answer a ping in time.
	ErrPingTimeout = errors.New("no answer to ping")

	// ErrAnonymousTimeout: the session did not authenticate in time.
	ErrAnonymousTimeout = errors.New("not authenticated in time")
)

// MaxChannelName is the greatest length of a channel name, in bytes.
const MaxChannelName = 255

// ValidChannel returns nil if name can be a channel's name: 1 to [MaxChannelName]
// bytes of UTF-8 without control characters. Otherwise it returns an error that
// wraps [ErrChannelName] and says what is wrong.
func ValidChannel(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrChannelName)
	case len(name) > MaxChannelName:
		return fmt.Errorf("%w: it has %d bytes, more than %d", ErrChannelName, len(name), MaxChannelName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: it is not valid UTF-8", ErrChannelName)
	}
	for i, r := range name {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: control character %U at byte %d", ErrChannelName, r, i)
		}
	}
	return nil
}
