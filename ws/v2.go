package ws

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// maxMalformed is the number of consecutive malformed requests after which the session ends
// (clause 2.5 of docs/protocol.md). Such a client does not read the replies.
const maxMalformed = 50

// v2Dialect is protocol 2, as docs/protocol.md specifies it.
type v2Dialect struct{}

func (v2Dialect) path() string       { return "/v2" }
func (v2Dialect) name() string       { return "websocket" }
func (v2Dialect) backpressure() bool { return true }

func (v2Dialect) format(compress *publications) boreas.Format {
	if compress != nil {
		return v2Deflate{v2Format{}, compress}
	}
	return v2Format{}
}

func (v2Dialect) bearer() bool { return true }

// refuse answers with the error of clause 8.7.
func (v2Dialect) refuse(w http.ResponseWriter, err error) {
	f := protocol2.Fault(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(fault.Of(err).Status)
	w.Write(wire.AppendV2Error(nil, nil, &f))
}

func (v2Dialect) greeting(h *handler, g *access.Grant) func(dst []byte, id string) []byte {
	var user, expires string
	if g != nil {
		user, expires = g.User, protocol2.Expires(g.Expires)
	}
	return func(dst []byte, id string) []byte {
		b, start := beginFrame(dst)
		b = wire.AppendV2Hello(b, wire.V2Hello{
			Session:   id,
			Heartbeat: protocol2.Heartbeat(h.options.Heartbeat),
			User:      user,
			Expires:   expires,
			Limits: wire.V2Limits{
				FrameBytes:   h.options.MaxMessage,
				Channels:     h.options.MaxChannels,
				ChannelBytes: access.MaxChannelName,
				KeyBytes:     engine.MaxKey,
				History:      protocol2.MaxPage,
				InfoBytes:    boreas.MaxInfo,
			},
		})
		return endFrame(b, start, opText)
	}
}

func (v2Dialect) binary(c *conn, bytes int) {
	if limited := c.request(1, bytes); limited != nil {
		c.v2Limited(&wire.V2Request{}, bytes, limited)
		return
	}
	c.v2Malformed(wire.V2Request{}, fault.Malformed.With("The message is binary: send requests as text."))
}

func (v2Dialect) text(c *conn, b []byte, bytes int) {
	r, err := wire.ParseV2(b)
	if limited := c.request(max(len(r.Join), len(r.Leave)), bytes); limited != nil {
		c.v2Limited(&r, bytes, limited)
		return
	}
	if err == nil && r.Kind == wire.V2History {
		err = protocol2.CheckHistory(&r)
	}
	if err != nil {
		c.v2Malformed(r, err)
		return
	}
	c.malformed = 0
	if r.Kind != wire.V2Auth && r.Kind != wire.V2Ping && c.sess.Identity() == "" {
		c.v2Fail(&r, access.ErrAnonymous)
		return
	}
	switch r.Kind {
	case wire.V2Auth:
		c.v2Auth(&r)
	case wire.V2Presence:
		c.v2Presence(&r)
	case wire.V2Ping:
		c.v2Reply(r.ID, func(b []byte) []byte { return wire.AppendV2Pong(b, r.ID) })
	default:
		if c.h.engineWaits {
			c.v2Wait(r)
		} else {
			c.v2Engine(&r)
		}
	}
}

// v2Wait processes a request that may wait for the engine. It takes an allocated copy of the
// request.
func (c *conn) v2Wait(r wire.V2Request) { c.blocking(func() { c.v2Engine(&r) }) }

// v2Engine processes a request that calls the engine.
func (c *conn) v2Engine(r *wire.V2Request) {
	switch r.Kind {
	case wire.V2Join:
		c.v2Join(r)
	case wire.V2Leave:
		names, results := protocol2.Leaves(r.Leave)
		c.sess.Leave(names...)
		c.v2Reply(r.ID, func(b []byte) []byte { return wire.AppendV2Left(b, r.ID, results) })
	case wire.V2Publish:
		c.v2Publish(r)
	case wire.V2History:
		c.v2History(r)
	}
}

// v2Reply sends the reply to a request. A request without an id gets none.
func (c *conn) v2Reply(id []byte, reply func(dst []byte) []byte) {
	if id == nil {
		return
	}
	c.v2Send(reply)
}

// replySize is enough for most replies, and for one result of a join.
const replySize = 128

func (c *conn) v2Send(message func(dst []byte) []byte) {
	b, start := beginFrame(make([]byte, 0, replySize))
	c.sess.Send(endFrame(message(b), start, opText))
}

// v2Fail replies that a request failed.
func (c *conn) v2Fail(r *wire.V2Request, err error) {
	if c.enginePanicked(err) {
		return
	}
	c.refused(err, r.Kind.String(), r.Channel)
	f := protocol2.Fault(err)
	if fault.Of(err) == fault.Internal {
		c.h.options.Log.Error("a request of a subscriber failed", "session", c.sess.ID(), "error", err)
	}
	c.v2Reply(r.ID, func(b []byte) []byte { return wire.AppendV2Error(b, r.ID, &f) })
}

// v2Limited answers a request over the limit (clause 2.9), also one without an id, because the
// request was not carried out. It closes the connection of a client that keeps sending without
// waiting. Bytes is the number of the request's bytes that have not been counted yet.
func (c *conn) v2Limited(r *wire.V2Request, bytes int, err error) {
	c.refused(err, r.Kind.String(), r.Channel)
	if err := c.countRefusal(bytes); err != nil {
		c.fail(err)
		return
	}
	f := protocol2.Fault(err)
	c.v2Send(func(b []byte) []byte { return wire.AppendV2Error(b, r.ID, &f) })
}

// v2Malformed answers a malformed request, also one without an id, because the client may not know
// that it is malformed. Too many in a row end the session.
func (c *conn) v2Malformed(r wire.V2Request, err error) {
	c.h.count.Malformed.Add(1)
	c.malformed++
	f := protocol2.Fault(err)
	c.v2Send(func(b []byte) []byte { return wire.AppendV2Error(b, r.ID, &f) })
	if c.malformed >= maxMalformed {
		c.sess.End(fault.TooManyMalformed)
	}
}

func (c *conn) v2Auth(r *wire.V2Request) {
	if !c.h.options.NoAuth {
		if err := c.authenticate(r.Token); err != nil {
			c.h.count.RefusedTokens.Add(1)
			c.v2Fail(r, err)
			return
		}
	}
	g := c.sess.Grant()
	if g == nil { // the session has ended meanwhile
		return
	}
	c.v2Reply(r.ID, func(b []byte) []byte { return wire.AppendV2Auth(b, r.ID, g.User, protocol2.Expires(g.Expires)) })
}

func (c *conn) v2Join(r *wire.V2Request) {
	joins := protocol2.Joins(r.Join)
	if err := c.reserve(protocol2.JoinedBytes(joins)); err != nil {
		c.v2Limited(r, 0, err)
		return
	}
	results := c.sess.Join(context.Background(), joins, func(b []byte, results []boreas.Joined) []byte {
		if r.ID == nil {
			return b
		}
		b, start := beginFrame(slices.Grow(b, replySize*len(results)))
		b = wire.AppendV2JoinOpen(b, r.ID)
		for i := range results {
			b = protocol2.AppendJoined(b, &joins[i], &results[i])
		}
		return endFrame(wire.AppendV2JoinClose(b), start, opText)
	})
	for i := range results {
		err := results[i].Err
		c.refused(err, "join", joins[i].Channel)
		if c.enginePanicked(err) {
			return
		}
		if fault.Of(err) == fault.Internal {
			c.h.options.Log.Error("a subscriber could not join a channel", "session", c.sess.ID(), "channel", joins[i].Channel, "error", err)
		}
	}
}

func (c *conn) v2Publish(r *wire.V2Request) {
	if r.HasKey && r.Key == "" {
		c.v2Fail(r, boreas.ErrKey)
		return
	}
	if err := c.user.Publish(1); err != nil {
		c.v2Limited(r, 0, err)
		return
	}
	// The engine keeps the message, but the buffer is reused.
	m := engine.Message{Data: bytes.Clone(r.Message), Key: r.Key}
	ack, err := c.sess.Publish(context.Background(), r.Channel, m, boreas.PublishOptions{NoEcho: !r.Echo})
	if err != nil {
		c.v2Fail(r, err)
		return
	}
	c.v2Reply(r.ID, func(b []byte) []byte {
		return wire.AppendV2Published(b, r.ID, ack.Position.Append(nil), ack.Duplicate)
	})
}

func (c *conn) v2History(r *wire.V2Request) {
	if r.ID == nil {
		return // there would be no reply
	}
	request, err := protocol2.NewHistoryRequest(r)
	if err != nil {
		c.v2Fail(r, err)
		return
	}
	h, err := request.Read(func(since engine.Position, limit engine.Limit) (engine.History, error) {
		return c.sess.History(context.Background(), r.Channel, since, limit)
	})
	if err != nil {
		f := protocol2.HistoryFault(h, err)
		if f.Oldest == nil {
			c.v2Fail(r, err)
			return
		}
		c.v2Reply(r.ID, func(b []byte) []byte { return wire.AppendV2Error(b, r.ID, &f) })
		return
	}
	page := protocol2.NewPage(r.Channel, &request, h)
	if err := c.reserve(page.Bytes()); err != nil {
		c.v2Fail(r, err)
		return
	}
	c.v2Reply(r.ID, func(b []byte) []byte {
		b = wire.AppendV2HistoryOpen(b, r.ID, r.Channel)
		b = page.AppendMessages(b)
		return wire.AppendV2HistoryClose(b, page.Position.Append(nil), page.More)
	})
}

func (c *conn) v2Presence(r *wire.V2Request) {
	if r.ID == nil {
		return
	}
	state, err := c.sess.Presence(r.Channel)
	if err != nil {
		c.v2Fail(r, err)
		return
	}
	members := protocol2.Presence(&state)
	if err := c.reserve(len(members) + 2*len(r.Channel) + protocol2.ReplyBytes); err != nil {
		c.v2Fail(r, err)
		return
	}
	c.v2Reply(r.ID, func(b []byte) []byte {
		return wire.AppendV2PresenceReply(b, r.ID, r.Channel, members)
	})
}

// closeFor maps the reason to the close code of its fault (clause 8.6).
func (v2Dialect) closeFor(reason error) *closeError {
	var c *closeError
	if errors.As(reason, &c) {
		return c
	}
	f := fault.Of(reason)
	return &closeError{code: closeCode(f.Close), reason: f.Code}
}
