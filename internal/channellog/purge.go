package channellog

import "github.com/boreas-pubsub/boreas/v2/engine"

// Purge purges a channel without a store, as [engine.Purger] does.
func (t *Table) Purge(channel string) (engine.Position, error) {
	for {
		if t.closed.Load() {
			return engine.Position{}, engine.ErrClosed
		}
		l, start := t.Find(channel)
		if l == nil {
			return engine.Position{Epoch: t.epoch, Offset: start.Memory}, nil
		}
		l.mu.Lock()
		gone := l.gone
		l.Purge(t)
		offset := l.head
		l.mu.Unlock()
		if !gone {
			return engine.Position{Epoch: t.epoch, Offset: offset}, nil
		}
	}
}

// Purge drops all publications, and remembers that they were purged. It does not change keys. The log
// is locked.
func (l *Log) Purge(t *Table) {
	if n := l.len(); n > 0 {
		l.drop(t, n, EvictedPurge)
		l.purged = l.floor
	}
	l.settle(t)
}

// PurgeUpTo purges a channel of an engine whose channels share one sequence of offsets. The offset is above
// all earlier ones of the table. Whole and the calls are as those of [Table.Insert].
func (t *Table) PurgeUpTo(channel string, offset uint64, whole bool) {
	for {
		l := t.Log(channel)
		l.mu.Lock()
		if l.gone {
			l.mu.Unlock()
			continue // forgotten between the look-up and the lock: look up the next one
		}
		l.drop(t, l.len(), EvictedPurge)
		// A reader at the newest publication has missed nothing.
		if l.floor = max(l.floor, l.head); !whole {
			l.floor = offset
		}
		l.head, l.next = max(l.head, l.floor), max(l.next, l.floor)
		l.expired, l.purged = l.floor, l.floor
		l.settle(t)
		l.mu.Unlock()
		return
	}
}
