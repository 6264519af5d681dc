package channellog

import "github.com/boreas-pubsub/boreas/engine"

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
