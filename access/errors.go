package access

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Errors of [Grant.May] and [ValidChannel].
var (
	// ErrChannelName means that a text is not a channel name; see [ValidChannel].
	ErrChannelName = errors.New("not a channel name")

	// ErrAnonymous means that the session must authenticate first.
	ErrAnonymous = errors.New("boreas: the session is anonymous: authenticate first")

	// ErrTokenExpired means that the session's token has expired.
	ErrTokenExpired = errors.New("the token has expired")

	// ErrNotPermitted means that the channel's rule does not allow clients to publish. If the token
	// denies the request, the error is a [*DeniedError].
	ErrNotPermitted = errors.New("boreas: the channel's rule does not let clients publish (client_publish)")
)

// MaxChannelName is the maximum length of a channel name in bytes.
const MaxChannelName = 255

// ValidChannel returns nil if name is a valid channel name: 1 to [MaxChannelName] bytes of UTF-8
// without control characters. Otherwise it returns an error that wraps [ErrChannelName] and gives
// the reason.
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
