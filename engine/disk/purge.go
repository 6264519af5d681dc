package disk

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// Purge implements [engine.Purger]. When it returns, a purge record is on disk. The bytes of the
// messages stay in their files until these are removed, or are rewritten because most of their messages
// are not kept. Errors: those of [Engine.Publish], except those about keys.
func (e *Engine) Purge(ctx context.Context, channel string) (engine.Position, error) {
	if err := validate(channel, engine.Message{}); err != nil {
		return engine.Position{}, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return engine.Position{}, err
		}
		if e.table.Closed() {
			return engine.Position{}, engine.ErrClosed
		}
		l := e.table.Log(channel)
		s, ok := l.Store().(*stored)
		if !ok {
			return e.table.Purge(channel)
		}
		l.Lock()
		w, wait, err := e.addPurge(l, s)
		l.Expire(e.table) // a new log counts from now on, so that it is forgotten
		l.Unlock()
		if err != nil {
			return engine.Position{}, err
		}
		if wait == nil {
			ack, err := w.wait(ctx)
			return ack.Position, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
}

// addPurge adds a purge to the batch that is being gathered, after the messages of its channel so far.
// If it returns a channel, the caller tries again when the channel is closed. The log is locked.
func (e *Engine) addPurge(l *channellog.Log, s *stored) (w waiter, wait <-chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.gathering
	if wait, err := e.mayAdd(); wait != nil || err != nil {
		return w, wait, err
	}
	offset, ok := l.Last()
	if !ok {
		return w, closedChannel, nil
	}
	if len(b.buffer) == 0 {
		now, wall := clock.Both()
		e.beginBatch(b, now, wall)
	}
	e.define(b, l, s)
	b.buffer = appendPurge(b.buffer, s.number, offset)
	b.entries = append(b.entries, entry{log: l})
	return waiter{b, engine.Ack{Position: engine.Position{Epoch: e.epoch, Offset: offset}}}, nil, nil
}

// purge drops the messages of a channel, whose purge is on disk.
func (en *entry) purge(t *channellog.Table) {
	en.log.Lock()
	defer en.log.Unlock()
	en.log.Purge(t)
}

// withPurges adds the purges of a segment to the groups that are copied to another file. Messages in
// earlier segments would be back after a restart otherwise. Without earlier segments no purge is needed.
func (e *Engine) withPurges(ctx context.Context, s *segment, groups []group) ([]group, error) {
	if !s.purged || e.allSegments()[0] == s {
		return groups, nil
	}
	p := &pace{ctx: ctx, rate: e.options.compactRate, began: time.Now()}
	sc, err := (&scanner{path: s.path, file: s.file, size: s.size, now: exactTimes, window: -1, read: p.wait}).scan()
	if err != nil {
		return nil, err
	}
	byName := make(map[string]int, len(groups))
	for i, g := range groups {
		byName[g.name] = i
	}
	for _, c := range sc.channels {
		if c.purged == 0 {
			continue
		}
		i, known := byName[c.name]
		if !known {
			i = len(groups)
			byName[c.name] = i
			groups = append(groups, group{name: c.name})
		}
		groups[i].purged, groups[i].number = c.purged, c.number
	}
	slices.SortFunc(groups, func(a, b group) int { return strings.Compare(a.name, b.name) })
	return groups, nil
}
