package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// A cold read gets from the servers what is older than the memory of this node.
//
// # Is the answer whole?
//
// The stream drops its oldest messages for their age and for its size, and the oldest of a channel
// that has too many. It never says what is gone. Let H be the number of messages that a channel may
// have, which is one less than the stream keeps. Then nothing is missing after a position if
//
//   - the position is not before the first message of the stream, or is just before it, and
//   - the channel has at most H messages, or its oldest one is not after the position.
//
// For a message of the channel that was dropped for its age is before the first message of the
// stream; and if the channel has fewer than H+1 messages, then what it had too many is older than
// what has been dropped for its age since. If the limit of the stream was changed, H is the smallest
// that it ever was. The leader is asked after the messages were read, so what is dropped meanwhile
// counts as missing.
//
// A purge raises the floor; see purge.go. The leader is asked for the last one of the channel, also after the
// messages were read.
//
// # A late replica
//
// Any replica answers a read, and it may be late. Its answer counts only if it reaches what is in
// memory, or if the leader has no later message of the channel.

const (
	// coldReaders is how many cold reads are under way at once. The servers take milliseconds for
	// each, and have publishers to serve.
	coldReaders = 16

	// wider is how much wider the next part of the stream is, if one had too few messages of a channel.
	wider = 4

	// coldTimeout bounds the wait for a replica that is late.
	coldTimeout = 2 * time.Second
)

// readCold reads a part of a channel that is not in memory.
func (e *Engine) readCold(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	select {
	case e.cold <- struct{}{}:
		defer func() { <-e.cold }()
	case <-ctx.Done():
		return engine.History{}, unavailable("wait for other reads of old messages", ctx.Err())
	case <-e.stopped:
		return engine.History{}, engine.ErrClosed
	}
	e.counters.coldReads.Add(1)
	began := clock.Now()
	for {
		h, err := e.tryCold(ctx, channel, since, limit)
		switch {
		case err == nil || errors.Is(err, engine.ErrExpired) || errors.Is(err, engine.ErrAhead) || errors.Is(err, engine.ErrUnknownEpoch):
			return h, err
		case ctx.Err() != nil || clock.Now().Sub(began) >= coldTimeout:
			return engine.History{}, unavailable("read old messages of the channel "+channel, err)
		case !e.pause(ctx, retryPause):
			return engine.History{}, unavailable("read old messages of the channel "+channel, errors.Join(err, ctx.Err()))
		}
	}
}

// errLate means that a replica does not have everything yet.
var errLate = errors.New("the replica that answered does not have all messages yet")

// errEpochChanged means that the epoch has changed during a read.
var errEpochChanged = errors.New("the epoch of the stream has changed")

// A coldPart is what was read from the servers.
type coldPart struct {
	pubs []*engine.Publication
	more bool // the limit has left out messages between these and those in memory
}

func (e *Engine) tryCold(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (h engine.History, err error) {
	limits := e.table.Limits(channel)
	e.life.RLock()
	epoch, at, base := e.epoch, e.tail.at.Load(), e.base
	e.life.RUnlock()
	memory := e.table.Newest(channel)
	head := max(at, memory.Head)
	if !since.IsZero() && (since.Epoch != epoch || since.Offset > head) || channellog.Ahead(limit, head) {
		return channellog.Bounds(epoch, memory.Floor, head, since, limit)
	}
	if limits.Messages < 0 {
		return channellog.Bounds(epoch, head, head, since, limit) // the channel keeps nothing
	}
	subject := e.names.channel + natsconn.Encode(channel)
	read, forwards := e.readPart, limit.Before == 0 && limit.Messages >= 0
	if !forwards {
		read = e.readNewest
	}
	partLimit := limit
	if limit.Messages == 0 {
		partLimit.Messages = 1 // the next message shows whether some are missing
	}
	var all []*engine.Publication
	var floor, purged uint64
	var more bool
	for from := max(since.Offset, base); ; from = floor {
		part, err := read(ctx, subject, from, memory, partLimit)
		if err != nil {
			return h, err
		}
		if floor, err = e.coldFloor(ctx, subject); err != nil {
			return h, err
		}
		if purged, err = e.lastPurge(ctx, channel); err != nil {
			return h, err
		}
		// Then the channel's own limits, which may be narrower than those of the stream.
		if more = part.more; more {
			all = part.pubs
		} else {
			all = append(part.pubs, memory.Publications...)
		}
		if forwards && from == since.Offset && from >= floor {
			if missed := engine.After(all, from); len(missed) == 0 || missed[0].Offset > purged {
				purged = 0 // the reader has missed nothing of what was purged
			}
		}
		floor = max(floor, purged)
		all, floor = within(all, floor, limits, more)
		if all = engine.After(all, max(since.Offset, floor)); len(all) > 0 || !more {
			break
		}
		// The limit has left out everything after the floor.
	}
	e.life.RLock()
	floor = max(floor, e.base)
	changed := e.epoch != epoch
	e.life.RUnlock()
	if changed {
		return h, errEpochChanged
	}
	h, err = channellog.Bounds(epoch, min(floor, head), head, since, limit)
	if err == engine.ErrExpired && since.Offset < purged {
		err = engine.ErrPurged
	}
	if err != nil || limit.Messages == 0 {
		return h, err
	}
	h.Publications, h.More = channellog.Select(all, max(since.Offset, floor), limit)
	h.More = h.More || more
	return h, nil
}

// coldFloor asks the leader after which offset the stream has everything of a channel.
func (e *Engine) coldFloor(ctx context.Context, subject string) (uint64, error) {
	s, err := e.streamState(ctx, subject)
	if err != nil {
		return 0, err
	}
	floor := max(s.First, 1) - 1
	if n := int64(s.Subjects[subject]); n > s.kept { // what was before the oldest may be gone
		oldest, err := e.leaderMessage(ctx, map[string]any{"seq": 1, "next_by_subj": subject})
		if err != nil {
			return 0, err
		}
		floor = max(floor, oldest.Seq)
	}
	return floor, nil
}

// within drops the publications above a channel's own limits and raises the floor to the last one
// that it dropped. If there are more publications, their number is not known, and only the age
// counts.
func within(pubs []*engine.Publication, floor uint64, limits engine.Retention, more bool) ([]*engine.Publication, uint64) {
	drop := 0
	if !more && limits.Messages > 0 {
		drop = max(len(pubs)-limits.Messages, 0)
	}
	oldest := clock.Wall().Add(-limits.Age).UnixNano()
	for drop < len(pubs) && pubs[drop].Time < oldest {
		drop++
	}
	if drop > 0 {
		floor = max(floor, pubs[drop-1].Offset)
	}
	return pubs[drop:], floor
}

// readPart reads the oldest messages of a channel after since that are not in memory.
func (e *Engine) readPart(ctx context.Context, subject string, since uint64, memory channellog.Range, limit engine.Limit) (part coldPart, err error) {
	bytes := 0
	err = e.readBetween(ctx, subject, since, memory.Floor, func(p *engine.Publication) bool {
		if len(part.pubs) == limit.Messages || limit.Bytes > 0 && bytes >= limit.Bytes {
			part.more = true
			return false
		}
		bytes += len(p.Data)
		part.pubs = append(part.pubs, p)
		return true
	})
	return part, err
}

// readNewest reads the newest messages of a channel after since, and before limit.Before if there is
// one, that are not in memory. The servers read forwards only. So it reads a part of the stream at the
// end, then a wider one before it, and so on, until the limit leaves out a message.
func (e *Engine) readNewest(ctx context.Context, subject string, since uint64, memory channellog.Range, limit engine.Limit) (part coldPart, err error) {
	most, to, newer := -limit.Messages, memory.Floor, memory.Publications
	if limit.Before > 0 {
		most, to = limit.Messages, min(to, limit.Before-1)
		newer = newer[:len(newer)-len(engine.After(newer, limit.Before-1))]
	}
	kept, bytes := slices.Clone(newer), 0
	for _, p := range newer {
		bytes += len(p.Data)
	}
	// full reports whether n publications with so many bytes are all that the limit allows.
	full := func(n, bytes int) bool {
		return n >= most || limit.Before > 0 && limit.Bytes > 0 && bytes >= limit.Bytes
	}
	width, err := e.firstWidth(ctx, subject, most)
	for err == nil && to > since && (len(kept) == 0 || !full(len(kept)-1, bytes-len(kept[0].Data))) {
		from := to - min(width, to-since)
		var older []*engine.Publication
		err = e.readBetween(ctx, subject, from, to, func(p *engine.Publication) bool {
			older, bytes = append(older, p), bytes+len(p.Data)
			for len(older) > 1 && full(len(older)+len(kept)-2, bytes-len(older[0].Data)-len(older[1].Data)) {
				older, bytes = older[1:], bytes-len(older[0].Data)
			}
			return true
		})
		kept = append(older, kept...)
		to, width = from, width*wider
	}
	part.pubs = kept[:len(kept)-len(newer)]
	return part, err
}

// firstWidth estimates how many messages of all channels are among the newest ones of a channel. A
// channel with few messages is read at once.
func (e *Engine) firstWidth(ctx context.Context, subject string, messages int) (uint64, error) {
	s, err := e.streamState(ctx, subject)
	n := uint64(s.Subjects[subject])
	if n <= directBatch {
		return math.MaxUint64, err
	}
	return max((s.Last-s.First)/n*uint64(messages), directBatch), err
}

// readBetween calls visit with the messages of a channel after since and up to the sequence, until it
// returns false.
func (e *Engine) readBetween(ctx context.Context, subject string, since, to uint64, visit func(p *engine.Publication) bool) error {
	for next := since + 1; ; {
		n, done := 0, false
		end, err := e.direct(ctx, natsconn.DirectRead{Seq: next, Subject: subject, Messages: directBatch, Bytes: directBytes}, func(a *arrival) bool {
			n++
			next = a.seq + 1
			done = a.seq > to || !visit(e.publication(a))
			return !done
		})
		switch {
		case err != nil || done:
			return err
		case end || n == 0:
			return e.checkLate(ctx, subject, next-1)
		}
	}
}

// checkLate returns an error if a replica that had no message after the offset is late.
func (e *Engine) checkLate(ctx context.Context, subject string, offset uint64) error {
	last, err := e.leaderLast(ctx, subject)
	if errors.Is(err, errNoMessage) || err == nil && last.Seq <= offset {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: it ends at %d, and the leader at %d", errLate, offset, last.Seq)
}
