package boreastest

import (
	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/internal/fault"
)

// Grant returns a grant of the identity, whom others know as the user, that allows
// everything for ever.
func Grant(identity, user string) *boreas.Grant {
	return &boreas.Grant{Identity: identity, TokenID: "id of " + identity, Kind: "classic", User: user}
}

// Check makes of a function that knows the users of tokens what transports ask: it
// gives grants whose identity is the token.
func Check(user func(token string) (name string, ok bool)) func(boreas.Credentials) (*boreas.Grant, error) {
	return func(c boreas.Credentials) (*boreas.Grant, error) {
		name, ok := user(c.Token)
		if !ok {
			return nil, fault.InvalidToken
		}
		return Grant(c.Token, name), nil
	}
}
