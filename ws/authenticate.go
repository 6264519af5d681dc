package ws

import (
	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/credential"
	"github.com/boreas-pubsub/boreas/internal/refusal"
)

// authenticate makes the session what the token gives.
func (c *conn) authenticate(token string) error {
	shown := credential.Shown{Token: token, Address: c.sess.Address(), Header: c.header}
	g, err := c.h.checker.Grant(shown, c.h.workers.instead)
	if err != nil {
		return err
	}
	return c.becomes(g)
}

// becomes makes the session what the grant gives. That the session has ended is no error:
// the client was told why.
func (c *conn) becomes(g *access.Grant) error {
	switch err := c.sess.Authenticate(g); err {
	case nil:
		c.user = c.h.checker.User(g)
		return nil
	case boreas.ErrRulesChanged, engine.ErrClosed:
		return nil
	default:
		return err
	}
}

// request counts a request with the given numbers of entries and bytes. A request without a list
// has one entry.
func (c *conn) request(entries, bytes int) error {
	return c.h.checker.Request(c.sess.Address(), c.user, entries, bytes)
}

// refused notes that the client was refused something, if that is what the error says.
func (c *conn) refused(err error, verb, channel string) {
	e := refusal.Entry{Transport: c.h.dialect.name(), Session: c.sess.ID(), Verb: verb, Channel: channel}
	c.h.options.Refusals.Note(err, e, c.sess.Address(), c.sess.LastGrant())
}
