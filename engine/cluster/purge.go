package cluster

import (
	"context"
	"errors"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// # Purges
//
// A purge is a message of the stream, with a subject of its own for each channel: everything of the
// channel before it is purged. So the tails of all nodes learn of it in order. A version that does not
// know purges ignores the subject; a purge on the subject of the channel would be a publication for it.
//
// The purged messages stay on the servers until the limits of the stream drop them, because the stream
// denies purges: otherwise nobody could know what somebody else has removed. A purge is newer than all
// that it purges, so the limits for age and size never drop it first.

// Purge implements [engine.Purger]. The purge is kept and repeated like a message, with the errors of
// [Engine.Publish]. Other nodes purge the channel when they have read the position. The servers keep
// the bytes of the messages until these are too old, or too many.
func (e *Engine) Purge(ctx context.Context, channel string) (engine.Position, error) {
	bounded, cancel := context.WithTimeout(ctx, PublishTimeout)
	defer cancel()
	if err := e.mayBegin(bounded, channel, engine.Message{}); err != nil {
		return engine.Position{}, err
	}
	r := e.newRequest(channel, engine.Message{})
	r.subject = e.names.purge + natsconn.Encode(channel)
	e.send(r)
	ack, err := e.finish(bounded, r, clock.Now())
	return ack.Position, err
}

// deliverPurge purges a channel in memory, if the token is that of a purge. The caller holds tail.mu.
func (e *Engine) deliverPurge(seq uint64, token string) {
	token, ok := strings.CutPrefix(token, purgeToken)
	if !ok {
		return // a newer version has put it there
	}
	if channel, ok := natsconn.Decode(token); ok {
		e.table.PurgeUpTo(channel, seq, !e.tail.filling || e.tail.holes == 0)
		e.table.Trim()
	}
}

// lastPurge asks the leader for the sequence of the last purge of a channel. It is 0 if there is none.
func (e *Engine) lastPurge(ctx context.Context, channel string) (uint64, error) {
	m, err := e.leaderLast(ctx, e.names.purge+natsconn.Encode(channel))
	if errors.Is(err, errNoMessage) {
		return 0, nil
	}
	return m.Seq, err
}
