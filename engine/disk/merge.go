package disk

import (
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
)

// merge adds what was found in a segment.
func (l *loader) merge(s *segment, sc *scan, number uint64) error {
	h := sc.header
	if err := checkChain(s.path, l.before, h, number, l.end); err != nil {
		return err
	}
	e := l.engine
	l.raiseLife(h.life)
	l.start = max(l.start, h.start)
	s.header, s.size, s.sealed = h, sc.end, true
	s.times, s.large, s.newest, s.whole, s.purged = sc.times, sc.large, sc.newest, sc.whole, sc.hasPurges()
	if !e.addSegment(s) {
		return errTooManySegments
	}
	l.logs, l.logsBefore, l.next = make([]*channellog.Log, 0, len(sc.channels)), l.logs, 0
	for i := range sc.channels {
		l.mergeChannel(s, &sc.channels[i])
	}
	l.merged++
	for _, k := range sc.keys {
		l.mergeKey(sc.channels[k.channel].name, k)
	}
	l.before, l.end, l.tail = &h, s.end(), sc
	l.note.raise(h.note)
	return nil
}

// checkChain returns an error if the segment with the header h does not follow the one before.
func checkChain(path string, before *header, h header, number uint64, end int64) error {
	damage := func(place int64, format string, args ...any) error {
		return &DamageError{path, place, fmt.Sprintf(format, args...)}
	}
	switch {
	case h.number != number:
		return damage(numberAt, "it is file number %d", h.number)
	case before == nil:
		return nil
	case h.epochBefore != before.epoch:
		return damage(epochAt, "it belongs to another log")
	case h.life < before.life:
		return damage(lifeAt, "it is older than the file before")
	case h.base != end:
		return damage(baseAt, "it does not begin where the file before ends: that file is not complete, or one of the two belongs to another log")
	}
	return nil
}

// mergeChannel adds the messages of a channel in a segment.
func (l *loader) mergeChannel(s *segment, c *scannedChannel) {
	if len(c.addresses) == 0 && c.purged == 0 {
		return
	}
	log := l.logOf(c.name)
	if log == nil {
		l.moved = max(l.moved, c.last) // if the rules change once more, it continues there
		return
	}
	e := l.engine
	log.Lock()
	defer log.Unlock()
	index := log.Store().(*stored)
	if c.purged > 0 {
		log.RestorePurge(e.table, c.purged)
		index.life = s.life
	}
	if len(c.addresses) == 0 {
		return
	}
	gap := uint64(s.life-index.life) * lift // the channel's last message may be lost
	if n := index.Len(); n > 0 && c.first != log.Head()+1+gap {
		log.DropOldest(e.table, n, channellog.EvictedBounds) // what is before a hole is not complete
	}
	floor := log.Floor()
	if index.Len() == 0 {
		floor, index.first = c.first-1, c.first
	} else if gap > 0 {
		index.addRun(c.first)
	}
	l.reserve(index, len(c.addresses))
	for _, a := range c.addresses {
		index.addresses = append(index.addresses, a|address(s.slot)<<(placeBits+sizeBits))
	}
	e.linkAll(s, len(c.addresses), c.bytes)
	log.Restored(e.table, len(c.addresses), c.bytes, floor, c.last, c.last)
	log.Expire(e.table)
	index.life, index.seen = s.life, int32(len(l.logs))
	l.logs = append(l.logs, log)
}

// logOf returns the log of a channel on disk, or nil for a channel that is kept in memory.
func (l *loader) logOf(channel string) *channellog.Log {
	// The channels of a segment are often those of the segment before, in the same order.
	if l.next < len(l.logsBefore) && l.logsBefore[l.next].Name() == channel {
		log := l.logsBefore[l.next]
		l.next++
		return log
	}
	e := l.engine
	log, _ := e.table.Find(channel)
	if log != nil {
		index, ok := log.Store().(*stored)
		if !ok {
			return nil
		}
		if at := int(index.seen); at < len(l.logsBefore) && l.logsBefore[at] == log {
			l.next = at + 1
		}
		return log
	}
	if !e.onDisk(channel, e.table.Limits(channel)) {
		return nil
	}
	return e.table.Log(channel)
}

// reserve makes room for n more addresses of a channel, and for those of later segments, if the
// channel has as many messages there. At the end, trim takes back what is too much.
func (l *loader) reserve(index *stored, n int) {
	need := len(index.addresses) + n
	if need <= cap(index.addresses) {
		return
	}
	expected := need * l.segments / (l.merged + 1)
	index.grow(min(max(expected, need), 2*need) - len(index.addresses))
}

// mergeKey remembers a key.
func (l *loader) mergeKey(channel string, k scannedKey) {
	e := l.engine
	if !e.onDisk(channel, e.table.Limits(channel)) {
		return
	}
	log := e.table.Log(channel)
	log.Lock()
	defer log.Unlock()
	if k.offset > log.Head() {
		return
	}
	key := e.table.Key(&engine.Message{Key: k.key, Data: k.data})
	if log.RestoreKey(e.table, key, k.offset, k.accepted) != nil {
		l.opened.KeysLost++
	}
}
