package channellog

import (
	"cmp"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/listing"
)

// CountAfter returns how many publications of a channel are kept after the position, if epochOf
// returns its epoch. Publications that only a store has are counted by their offsets, which have few
// holes there.
func (t *Table) CountAfter(channel string, since engine.Position, epochOf func(stored bool) uint64) int {
	l, _ := t.Find(channel)
	if l == nil || since.Epoch != epochOf(l.store != nil) {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.countAfter(since.Offset)
}

// countAfter is CountAfter for a caller that holds mu.
func (l *Log) countAfter(offset uint64) int {
	newest := l.newest.live()
	n := len(engine.After(newest, offset))
	if n < len(newest) {
		return n
	}
	from, to := max(offset, l.floor), l.head
	if n > 0 {
		to = newest[0].Offset - 1
	}
	if to > from {
		n += min(int(to-from), l.stored())
	}
	return n
}

// Published returns how many publications a channel's log has got since it was created in memory.
func (t *Table) Published(channel string) uint64 {
	l, _ := t.Find(channel)
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published
}

// MostPublished returns the channels with the prefix that have got the most publications, at most
// limit, most first. It locks one shard at a time, and only while it copies the shard's list of logs.
func (t *Table) MostPublished(prefix string, limit int) []engine.Published {
	p := listing.Page[engine.Published]{Limit: limit, Compare: func(a, b engine.Published) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Channel, b.Channel))
	}}
	var logs []*Log
	for i := range t.shards {
		s := &t.shards[i]
		logs = s.appendLogs(logs[:0])
		for _, l := range logs {
			if !strings.HasPrefix(l.name, prefix) {
				continue
			}
			l.mu.Lock()
			found := engine.Published{Channel: l.name, Count: l.published}
			l.mu.Unlock()
			if found.Count > 0 && p.Wants(found) {
				p.Add(found)
			}
		}
	}
	return p.Sorted()
}
