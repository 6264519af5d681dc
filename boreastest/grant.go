package boreastest

import (
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// Grant returns a grant for the identity and the user. It allows everything and never expires.
func Grant(identity, user string) *access.Grant {
	return &access.Grant{Identity: identity, TokenID: "id of " + identity, Kind: "classic", User: user}
}

// Check returns a function for a transport's Check option. It accepts the tokens for which user
// returns true, and uses the token as the grant's identity.
func Check(user func(token string) (name string, ok bool)) func(access.Credentials) (*access.Grant, error) {
	return func(c access.Credentials) (*access.Grant, error) {
		name, ok := user(c.Token)
		if !ok {
			return nil, fault.InvalidToken
		}
		return Grant(c.Token, name), nil
	}
}

// Pattern parses a pattern of channels. It panics if the pattern is not valid.
func Pattern(text string) access.Pattern {
	p, err := access.ParsePattern(text)
	if err != nil {
		panic(err)
	}
	return p
}
