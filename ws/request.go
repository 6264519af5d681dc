package ws

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/internal/wire"
)

// classic is the wire of 2013.
type classic struct{}

func (classic) path() string                             { return "/" }
func (classic) name() string                             { return "websocket-classic" }
func (classic) format() boreas.Format                    { return classicFormat{} }
func (classic) greeting(*handler) func(string) []byte    { return nil }
func (classic) patient() bool                            { return false }
func (classic) closeFor(reason error) *closing           { return closeFor(reason) }
func (classic) refuse(w http.ResponseWriter, f *refusal) { http.Error(w, f.message, f.status) }
func (classic) binary(c *conn)                           { c.h.count.IgnoredMessages.Add(1) }

// text carries out a classic request. The classic wire answers nothing: what it
// cannot carry out is ignored, and counted.
func (classic) text(c *conn, b []byte) {
	count := c.h.count
	switch r := wire.ParseClassicRequest(b); r.Kind {
	case wire.Authenticate:
		c.authenticateClassic(r.Token)
	case wire.Subscribe:
		count.IgnoredNames.Add(uint64(r.Skipped))
		if c.sess.Identity() == "" {
			count.IgnoredAnonymous.Add(1)
			return
		}
		for _, name := range r.Join {
			err := c.sess.Join([]boreas.Join{{Channel: name}}, nil)[0].Err
			switch {
			case errors.Is(err, boreas.ErrChannelName):
				count.IgnoredNames.Add(1)
			case err == nil, err == boreas.ErrTooManyChannels: // the hub counts those
			case err == boreas.ErrAnonymous, err == boreas.ErrClosed: // it ended meanwhile
			default:
				c.h.options.Log.Error("a subscriber could not join a channel", "channel", name, "error", err)
			}
		}
		for _, name := range r.Leave {
			c.sess.Leave(name)
		}
	default:
		count.IgnoredMessages.Add(1)
	}
}

func (c *conn) authenticateClassic(token string) {
	if !c.h.options.NoAuth && c.authenticate(token) != nil {
		c.h.count.IgnoredTokens.Add(1)
	}
}

// authenticate makes the session what the token gives.
func (c *conn) authenticate(token string) error {
	g, err := c.h.options.Check(boreas.Credentials{Token: token})
	if err != nil {
		return err
	}
	return c.sess.Authenticate(g)
}

// newIdentity makes up a name for a connection that need not authenticate, in the
// form of 2013: a random UUID (RFC 9562, version 4), a dash, the time in seconds.
func newIdentity() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x-%d", b[:4], b[4:6], b[6:8], b[8:10], b[10:], time.Now().Unix())
}
