package cluster

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// aheadTimeout bounds the wait for a position that this node does not know yet. A beat decides, so
	// it is longer than the time between two beats and an attempt to publish one.
	aheadTimeout = tryTimeout + 2*beatPeriod

	// aheadStep is how long a reader waits for the tail before it looks for a beat.
	aheadStep = 100 * time.Millisecond
)

// Read implements [engine.Engine]. It waits only for what is not in memory. If the servers do not
// answer, the error is [engine.ErrUnavailable].
func (e *Engine) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, ok, err := e.peek(channel, since, limit)
	if errors.Is(err, engine.ErrAhead) {
		h, ok, err = e.peekAhead(ctx, channel, since, limit)
	}
	if ok || err != nil {
		return h, err
	}
	return e.readCold(ctx, channel, since, limit)
}

// Peek implements [engine.Peeker].
func (e *Engine) Peek(channel string, since engine.Position, limit engine.Limit) (h engine.History, ok bool, err error) {
	h, ok, err = e.peek(channel, since, limit)
	if errors.Is(err, engine.ErrAhead) {
		return engine.History{}, false, nil // another node may have told the position
	}
	return h, ok, err
}

// peekAhead waits for a position that the tail has not reached. Another node may have told it to a
// client, which came here then. The position is really ahead of the stream if a later message, kept
// by a majority, has a lower sequence. The leader's own word is not enough: it may be cut off.
func (e *Engine) peekAhead(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, bool, error) {
	wanted := since.Offset
	if limit.Before != math.MaxUint64 {
		wanted = max(wanted, limit.Before)
	}
	began := clock.Now()
	for {
		step, cancel := context.WithTimeout(ctx, aheadStep)
		e.await(step, wanted)
		cancel()
		beat, proved := e.health.beatSince(began) // before peek, which may know later messages
		h, ok, err := e.peek(channel, since, limit)
		switch {
		case !errors.Is(err, engine.ErrAhead) || proved && beat < wanted:
			return h, ok, err
		case ctx.Err() != nil || clock.Now().Sub(began) >= aheadTimeout:
			return engine.History{}, true, unavailable("read from a position that this node does not know yet", ctx.Err())
		}
	}
}

func (e *Engine) peek(channel string, since engine.Position, limit engine.Limit) (h engine.History, ok bool, err error) {
	if e.closed.Load() {
		return h, true, engine.ErrClosed
	}
	e.life.RLock()
	defer e.life.RUnlock()
	// Everything up to this offset is in the logs, so what they have is complete up to there.
	at := e.tail.at.Load()
	r := e.table.Range(channel, since.Offset, limit)
	floor, head := r.Floor, max(at, r.Head)
	// Whether nothing of the channel is kept below the floor: its own limits have taken that, or this
	// node has read all of the stream.
	known := r.Expired >= r.Floor || r.Floor <= e.base
	switch {
	case known || limit.Messages == 0 && since.IsZero() || channellog.Ahead(limit, head):
	case since.IsZero() && limit.Before > 0:
		if !r.More {
			return h, false, nil // there may be earlier ones, or there are too few
		}
	case since.IsZero():
		if limit.Messages > 0 || len(r.Publications) < -limit.Messages {
			return h, false, nil
		}
	case since.Epoch == e.epoch && since.Offset < r.Expired:
		floor = r.Expired
	case since.Epoch == e.epoch && since.Offset < r.Floor:
		return h, false, nil
	}
	h, err = channellog.Bounds(e.epoch, floor, head, since, limit)
	if err == engine.ErrExpired && since.Offset < r.Purged {
		err = engine.ErrPurged
	}
	if err == nil {
		h.Publications, h.More = r.Publications, r.More
	}
	return h, true, err
}
