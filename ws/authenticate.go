package ws

import (
	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// authenticate checks the token and gives its grant to the session.
func (c *conn) authenticate(token string) error {
	g, err := c.h.checker.Grant(access.Credentials{Token: token, Address: c.sess.Address(), Header: c.header, Slow: c.blocking})
	if err != nil {
		return err
	}
	return c.use(g)
}

// use gives the grant to the session. It returns nil if the session has ended, because the client
// has received the reason.
func (c *conn) use(g *access.Grant) error {
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

// refused records the error if it is a refusal.
func (c *conn) refused(err error, verb, channel string) {
	e := refusal.Entry{Transport: c.h.dialect.name(), Session: c.sess.ID(), Verb: verb, Channel: channel}
	c.h.options.Refusals.Note(err, e, c.sess.Address(), c.sess.LastGrant())
}
