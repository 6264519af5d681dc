package ws

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// classicDialect is the wire of 2013.
type classicDialect struct{}

func (classicDialect) path() string { return "/" }
func (classicDialect) name() string { return "websocket-classic" }

func (classicDialect) greeting(*handler, *access.Grant) func([]byte, string) []byte { return nil }
func (classicDialect) backpressure() bool                                           { return false }
func (classicDialect) closeFor(reason error) *closeError                            { return closeFor(reason) }

func (classicDialect) format(compress *publications) boreas.Format {
	if compress != nil {
		return classicDeflate{classicFormat{}, compress}
	}
	return classicFormat{}
}

// bearer returns false. Servers of 2013 ignored this header, and it may be meant for a proxy.
func (classicDialect) bearer() bool { return false }

func (classicDialect) refuse(w http.ResponseWriter, err error) {
	http.Error(w, fault.Message(err), fault.Of(err).Status)
}

// binary ignores and counts binary messages, which clients of 2013 never sent.
func (classicDialect) binary(c *conn, bytes int) {
	if err := c.request(1, bytes); err != nil {
		c.sess.End(err)
		return
	}
	c.h.count.IgnoredMessages.Add(1)
	c.countUseless()
}

// text processes a classic request. The classic wire has no replies: invalid requests are
// ignored, and counted.
func (classicDialect) text(c *conn, b []byte, bytes int) {
	count := c.h.count
	r := wire.ParseClassicRequest(b)
	if err := c.request(len(r.Join)+len(r.Leave)+r.Skipped, bytes); err != nil {
		c.sess.End(err) // the classic wire has no other way to report it
		return
	}
	switch r.Kind {
	case wire.Authenticate:
		c.authenticateClassic(r.Token)
	case wire.Subscribe:
		count.IgnoredNames.Add(uint64(r.Skipped))
		if c.sess.Identity() == "" {
			count.IgnoredAnonymous.Add(1)
			c.refused(access.ErrAnonymous, "join", "")
			c.countUseless()
			return
		}
		if c.h.engineWaits {
			c.blocking(func() { c.classicJoin(r.Join, r.Leave) })
		} else {
			c.classicJoin(r.Join, r.Leave)
		}
	default:
		count.IgnoredMessages.Add(1)
		c.countUseless()
	}
}

// classicJoin joins and leaves channels. It joins all channels in one call: a message may name
// thousands, and each separate join would look at all channels of the session.
func (c *conn) classicJoin(join, leave []string) {
	joins := make([]boreas.Join, len(join))
	for i, name := range join {
		joins[i].Channel = name
	}
	for i, result := range c.sess.Join(context.Background(), joins, nil) {
		switch err := result.Err; {
		case err == nil, err == access.ErrAnonymous, err == engine.ErrClosed: // the session has ended meanwhile
		case errors.Is(err, access.ErrChannelName):
			c.h.count.IgnoredNames.Add(1)
		case errors.Is(err, boreas.ErrEngineBusy), errors.Is(err, boreas.ErrEngineTimeout), errors.Is(err, engine.ErrStorageFailed), errors.Is(err, engine.ErrUnavailable):
			// Without the close the client would assume that it has joined the channel.
			c.refused(err, "join", join[i])
			c.sess.End(err)
			return
		case c.enginePanicked(err):
			return
		case fault.Of(err) == fault.Internal:
			c.h.options.Log.Error("a subscriber could not join a channel", "channel", join[i], "error", err)
			c.sess.End(err) // as above
			return
		default:
			c.refused(err, "join", join[i])
		}
	}
	c.sess.Leave(leave...)
}

// authenticateClassic processes a token. As in 2013, an invalid token changes nothing. If the server
// cannot check or use the token now, it closes the connection: the client does not expect an answer,
// and would assume that it is authenticated.
func (c *conn) authenticateClassic(token string) {
	if c.h.options.NoAuth {
		return
	}
	err := c.authenticate(token)
	if err == nil {
		return
	}
	if fault.Of(err) == fault.Internal {
		c.h.options.Log.Error("a request of a subscriber failed", "session", c.sess.ID(), "error", err)
	}
	c.refused(err, "auth", "")
	if credential.IsBadToken(err) {
		c.h.count.IgnoredTokens.Add(1)
		return
	}
	c.sess.End(err)
}

// newIdentity returns a random name for a connection that does not need a token. It has the form of
// 2013: a random UUID (RFC 9562, version 4), a dash, the time in seconds.
func newIdentity() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := make([]byte, 0, 48)
	for _, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		text = append(hex.AppendEncode(text, part), '-')
	}
	return string(strconv.AppendInt(text, time.Now().Unix(), 10))
}
