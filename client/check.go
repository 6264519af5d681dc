package client

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxChannelName = 255 // bytes, clause 1.5
	maxKey         = 128 // bytes, clause 6.3
)

// checkChannel refuses names that are not valid for a channel. Over the classic wire the server
// would silently ignore them, and in a list they would be sent together with valid names.
func checkChannel(name string) error {
	if name == "" {
		return errNoChannel
	}
	if len(name) > maxChannelName {
		return fmt.Errorf("channel %.20q…: the name has %d bytes; %d are allowed", name, len(name), maxChannelName)
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("channel %q: the name must be UTF-8 without control characters", name)
	}
	return nil
}

// checkKey refuses invalid idempotency keys; "" means no key. A key must be the same over a
// WebSocket and in an HTTP header, which loses the blanks around it.
func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return fmt.Errorf("the idempotency key has %d bytes; %d are allowed", len(key), maxKey)
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return errors.New("the idempotency key must be UTF-8 without control characters")
	case strings.TrimSpace(key) != key:
		return errors.New("the idempotency key begins or ends with a blank")
	}
	return nil
}
