package boreas

import (
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// life is a part of a channel's log, within which offsets can be compared. It begins when the hub
// starts to follow the channel, or at a Reset by the engine, and lasts until the next Reset. It is
// immutable.
type life struct {
	ch    *channel
	epoch uint64
	from  uint64 // offset at which subscriptions from an earlier life continue
}

// at returns the position of an offset in this life.
func (l *life) at(offset uint64) engine.Position {
	return engine.Position{Epoch: l.epoch, Offset: offset}
}

// Reset implements [engine.Follower]. It makes every group dirty, because a session moves to the
// new life when it is visited: see [Session.renew].
func (ch *channel) Reset(head engine.Position, reason error) {
	ch.queue.logReset(ch.name, head, reason)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.window, ch.bytes = nil, 0
	ch.floor, ch.unkept, ch.before = head.Offset, 0, 0
	for _, g := range ch.groups {
		g.swept = head.Offset
	}
	// The head first: a sweeper that sees both sees the life, and visits every member.
	ch.head.Store(head.Offset)
	ch.life.Store(&life{ch, head.Epoch, head.Offset})
	ch.markDirty()
}

// resetLogPause is the time between two log lines about resets: an engine that has lost its store
// resets each channel.
const resetLogPause = clock.Mono(time.Second)

// logReset counts a reset of a channel's log, and logs it unless another one was logged just before.
func (q *queue) logReset(channel string, head engine.Position, reason error) {
	resets := q.resets.Add(1)
	now, last := int64(clock.Now()), q.resetLogged.Load()
	if last != 0 && now-last < int64(resetLogPause) || !q.resetLogged.CompareAndSwap(last, now) {
		return
	}
	slog.Warn("the engine has reset a channel's log: its subscribers get a gap",
		"channel", channel, "position", head.String(), "reason", reason, "resets", resets)
}

// stale returns a subscription that belongs to an earlier life of its channel's log, or nil. The
// caller holds mu.
func (s *Session) stale() *subscription {
	for _, sub := range s.subs {
		if l := sub.life.Load(); l != l.ch.life.Load() {
			return sub
		}
	}
	return nil
}

// renew moves subscriptions that belong to an earlier life of their channel's log to the current
// one, and appends the gaps to the session's own bytes. It returns false if the session's format
// has no notices; the session must end with [ErrLogReset]. The caller holds mu.
func (s *Session) renew() bool {
	for sub := s.stale(); sub != nil; sub = s.stale() {
		if s.notices() == nil {
			return false
		}
		from, now := sub.position(), sub.channel().life.Load()
		gap := Gap{Reason: GapExpired, From: from, To: now.at(now.from)}
		if from.Epoch != now.epoch {
			gap.Reason = GapUnknownEpoch
		}
		sub.life.Store(now)
		sub.cursor.Store(now.from)
		sub.born, sub.own = now.from, 0
		s.out = s.batchFormat().(NoticeFormat).AppendGap(s.out, now.ch.name, gap)
		s.countGap(gap.Reason)
		s.tellGap(now.ch.name, gap)
	}
	return true
}
