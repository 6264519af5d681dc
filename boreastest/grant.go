package boreastest

import (
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/internal/fault"
)

// Grant returns a grant of the identity, whom others know as the user, that allows
// everything for ever.
func Grant(identity, user string) *access.Grant {
	return &access.Grant{Identity: identity, TokenID: "id of " + identity, Kind: "classic", User: user}
}

// Check makes of a function that knows the users of tokens what transports ask: it
// gives grants whose identity is the token.
func Check(user func(token string) (name string, ok bool)) func(access.Credentials) (*access.Grant, error) {
	return func(c access.Credentials) (*access.Grant, error) {
		name, ok := user(c.Token)
		if !ok {
			return nil, fault.InvalidToken
		}
		return Grant(c.Token, name), nil
	}
}
