package channellog

import (
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// This file is for engines whose channels share one sequence of offsets, and that keep only the
// newest publications here. Their logs have no store, and their offsets are given by somebody else.
// Below a log's floor there may be publications that the engine finds elsewhere.

// Insert makes p the head of its channel's log and delivers it to the followers. The offset of p is
// above all earlier ones of the table. Between the log's floor and p there is no publication that
// the log does not have, unless whole is false: then an empty log is complete only from p on. The
// caller calls [Table.Trim] after one or many calls. Calls do not overlap.
func (t *Table) Insert(channel string, p *engine.Publication, accepted clock.Mono, whole bool) {
	for {
		l := t.Log(channel)
		l.mu.Lock()
		if l.gone {
			l.mu.Unlock()
			continue // forgotten between the look-up and the lock: look up the next one
		}
		if l.class == classNone {
			l.setClass(t, classBackends) // eviction loses nothing here, so nobody needs a share
		}
		if !whole && l.len() == 0 {
			l.floor = p.Offset - 1
		}
		l.head, l.next, l.touched = p.Offset, p.Offset, accepted
		l.published++
		l.newest.push(p, accepted)
		cost := int64(len(p.Data)) + publicationOverhead
		t.inMemory.Add(cost)
		l.bytes += int64(len(p.Data))
		l.addCost(t, cost)
		t.kept.Add(1)
		l.expire(t, clock.Now())
		for _, f := range l.followers {
			f.Deliver(p)
		}
		add := l.queued.evictor != l.class && l.newest.len() > 0
		var oldest clock.Mono
		if add {
			l.queued.evictor = l.class
			oldest = l.newest.times()[0]
		}
		class := l.class
		l.settle(t)
		l.mu.Unlock()
		if add {
			t.evictor.add(l, class, oldest)
		}
		return
	}
}

// Range returns the publications of a channel after the offset, within the limit, and the log's
// bounds: its head, the floor above which it has everything, and the offset up to which
// publications are gone because of the channel's own limits. If since is below the floor, there are
// no publications, except that 0 stands for the floor.
func (t *Table) Range(channel string, since uint64, limit engine.Limit) (r Range) {
	l, start := t.Find(channel)
	if l == nil {
		return Range{Floor: start.Memory, Head: start.Memory}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Expire(t)
	r = Range{Floor: l.floor, Head: l.head, Expired: l.expired, Purged: l.purged}
	if limit.Messages == 0 || since != 0 && since < l.floor {
		return r
	}
	r.Publications, r.More = Select(l.newest.live(), max(since, l.floor), limit)
	return r
}

// Newest returns all publications of a channel that the table has, and the log's bounds.
func (t *Table) Newest(channel string) (r Range) {
	l, start := t.Find(channel)
	if l == nil {
		return Range{Floor: start.Memory, Head: start.Memory}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Expire(t)
	r = Range{Floor: l.floor, Head: l.head, Expired: l.expired}
	r.Publications = append(r.Publications, l.newest.live()...)
	return r
}

// A Range is a part of a log.
type Range struct {
	Publications []*engine.Publication
	More         bool // see engine.History

	Floor   uint64 // the log has everything after it
	Head    uint64 // the newest offset, or where the log started
	Expired uint64 // publications up to it are gone because of the channel's own limits, or were purged; 0 if none
	Purged  uint64 // publications up to it were purged; 0 if none
}

// DropUpTo drops all publications up to the offset. No log is complete before it then. It is called
// like [Table.Insert].
func (t *Table) DropUpTo(offset uint64) {
	t.StartAt(offset)
	for i := range t.shards {
		s := &t.shards[i]
		for _, l := range s.appendLogs(nil) {
			l.mu.Lock()
			if !l.gone && l.floor < offset {
				l.drop(t, l.len()-len(engine.After(l.newest.live(), offset)), EvictedMemory)
				l.floor, l.head, l.next = max(l.floor, offset), max(l.head, offset), max(l.next, offset)
				l.settle(t)
			}
			l.mu.Unlock()
		}
	}
}

// Reset drops all publications, makes all logs start at the offset, and calls tell for each
// follower. It is called like [Table.Insert].
func (t *Table) Reset(offset uint64, tell func(engine.Follower)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for k := range s.retired {
			s.retired[k] = Start{Stored: offset, Memory: offset}
		}
		logs := make([]*Log, 0, len(s.logs))
		for _, l := range s.logs {
			logs = append(logs, l)
		}
		s.mu.Unlock()
		for _, l := range logs {
			l.mu.Lock()
			if !l.gone {
				l.drop(t, l.newest.len(), EvictedBounds)
				l.floor, l.head, l.next, l.expired, l.purged = offset, offset, offset, 0, 0
				for _, f := range l.followers {
					tell(f)
				}
				l.settle(t)
			}
			l.mu.Unlock()
		}
	}
}
