package trial

import (
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// presenceCall returns a presence as the oracle knows it. A snapshot has no event.
func presenceCall(p *wstest.Presence) oracle.Call {
	c := oracle.Call{Event: p.Event, User: p.User, Users: p.Users}
	if c.Event == "" {
		c.Event = "state"
	}
	for _, m := range p.Members {
		c.Members = append(c.Members, m.User)
	}
	return c
}
