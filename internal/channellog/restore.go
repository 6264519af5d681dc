package channellog

import "github.com/boreas-pubsub/boreas/v2/internal/clock"

// This file is for engines with stores: what they do when they are opened, and when their stores
// drop publications of many channels.

// StartAt makes logs that do not exist yet start at the offset or after it.
func (t *Table) StartAt(offset uint64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for k := range s.retired {
			r := &s.retired[k]
			r.Stored, r.Memory = max(r.Stored, offset), max(r.Memory, offset)
		}
		s.mu.Unlock()
	}
}

// EmptyHead returns the highest offset of all logs with a store that keep no publications, also of
// the forgotten ones, and at least the offset that was passed to [Table.StartAt]. A table that is
// restored without these logs must start there.
func (t *Table) EmptyHead() uint64 {
	var head uint64
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for _, retired := range s.retired {
			head = max(head, retired.Stored)
		}
		for _, l := range s.logs {
			l.mu.Lock()
			if l.store != nil && l.store.Len() == 0 {
				head = max(head, l.next)
			}
			l.mu.Unlock()
		}
		s.mu.RUnlock()
	}
	return head
}

// appendLogs appends the logs of the shard, which are as they were at one moment.
func (s *shard) appendLogs(dst []*Log) []*Log {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, l := range s.logs {
		dst = append(dst, l)
	}
	return dst
}

// Each calls the function with each log that has a store, locked, until it returns false.
func (t *Table) Each(visit func(l *Log) bool) {
	var logs []*Log
	for i := range t.shards {
		s := &t.shards[i]
		logs = s.appendLogs(logs[:0])
		for _, l := range logs {
			if l.store == nil {
				continue
			}
			l.mu.Lock()
			more := l.gone || visit(l)
			l.mu.Unlock()
			if !more {
				return
			}
		}
	}
}

// Restored records that the log's store has got n publications with that many bytes of data, by
// other means than [Table.Commit]. Floor and head are the new ones of the log; next is the last
// offset that may have been given away. The log is locked.
func (l *Log) Restored(t *Table, n int, bytes int64, floor, head, next uint64) {
	l.floor, l.head, l.next = floor, head, next
	l.bytes += bytes
	l.addCost(t, int64(n)*StoredOverhead)
	t.kept.Add(int64(n))
	l.settle(t)
}

// RestorePurge drops all publications because of a purge after the publication with the offset. The log is
// locked.
func (l *Log) RestorePurge(t *Table, offset uint64) {
	l.Purge(t)
	l.purged = max(l.purged, offset)
	head := max(l.head, offset)
	l.floor, l.head, l.next = head, head, head
}

// RestoreKey remembers the key of the message with the offset. It returns an error if the key
// cannot be remembered. The keys of a log are restored in the order of their offsets. The log is
// locked.
func (l *Log) RestoreKey(t *Table, k Key, offset uint64, accepted clock.Mono) error {
	if k.text == "" {
		return nil
	}
	if l.keys != nil && l.keys.byText[k.text] != nil {
		// The key had expired when it was used again. By the wall clock, which was set, it had not.
		l.keys.byText[k.text].offset, l.keys.byText[k.text].data = offset, k.data
		return nil
	}
	err := l.remember(t, k, offset, accepted)
	l.settle(t)
	return err
}

// DropOldest drops the n oldest publications. The log is locked.
func (l *Log) DropOldest(t *Table, n int, cause EvictedCause) {
	l.drop(t, n, cause)
	l.settle(t)
}

// Relimit asks for the limits of each channel again, because they have changed, and drops what is over
// them. A log keeps its store or its lack of one, so Options.Store must not depend on the change.
func (t *Table) Relimit() {
	t.relimits.Add(1) // first: see newLog
	var logs []*Log
	for i := range t.shards {
		logs = t.shards[i].appendLogs(logs[:0])
		for _, l := range logs {
			limits := t.Limits(l.name) // before locking, because it calls the embedder's code
			l.mu.Lock()
			if !l.gone && l.limits != limits {
				l.limits = limits
				l.Expire(t)
			}
			l.mu.Unlock()
		}
	}
}
