package channellog

import (
	"errors"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// Lock order: evictor.mu, shard.mu, Log.mu. While holding Log.mu, code may take idleLogs.mu,
// keptNames.mu, keyShares.mu, and the locks that Deliver takes (channel.mu, queue.mu).

// Log is the log of one channel.
type Log struct {
	// Immutable.
	name   string // of its channel
	limits engine.Retention
	store  Store // nil if all kept publications are in memory

	mu        sync.Mutex // guards the fields below
	newest    pubList    // the newest kept publications; without a store, all of them
	bytes     int64      // of the data of the kept publications
	cost      int64      // what the kept publications add to Table.used
	floor     uint64     // see engine.History
	expired   uint64     // the last offset that was dropped because of the log's limits, or purged
	purged    uint64     // the last offset that was purged, 0 if none was
	head      uint64
	next      uint64     // the last offset that was given away, or may have been by an earlier process
	reserved  int        // messages that are being written
	published uint64     // publications since the log was created
	touched   clock.Mono // when it was created, last published to or last unfollowed
	followers []*follower
	keys      *logKeys // nil if no keys are remembered
	gone      bool     // forgotten by the table; the channel's next log is another one
	state     logState // derived from the fields above; see settle
	class     logClass // of the publishers since it was created
	queued    struct {
		evictor logClass // the class in whose heap its valid entry is, classNone if it has none
		idle    bool     // it is in Table.idle
	}
}

// follower is one call of Follow. Its address distinguishes two calls with the same
// engine.Follower.
type follower struct{ engine.Follower }

// Errors of [Log.Reserve] besides those of [engine.Engine.Publish].
var (
	// ErrForgotten means that the log is gone. The channel's next log is another one.
	ErrForgotten = errors.New("the log is gone")

	// ErrDuplicate means that a message with the same key and data has an offset already. If that
	// offset is above the log's head, the message is still being written.
	ErrDuplicate = errors.New("published before with the same key")
)

// Name returns the name of the log's channel.
func (l *Log) Name() string { return l.name }

// Store returns the log's store, or nil.
func (l *Log) Store() Store { return l.store }

// Lock locks the log. The methods that need it locked say so.
func (l *Log) Lock() { l.mu.Lock() }

// Unlock unlocks the log.
func (l *Log) Unlock() { l.mu.Unlock() }

// Head returns the offset of the newest committed publication. The log is locked.
func (l *Log) Head() uint64 { return l.head }

// Last returns the offset of the newest publication, committed or reserved. It returns false if the log is
// gone: the channel's next log is another one. The log is locked.
func (l *Log) Last() (offset uint64, ok bool) {
	if l.reserved > 0 {
		return l.next, !l.gone
	}
	return l.head, !l.gone
}

// Floor returns the offset after which the log is complete. The log is locked.
func (l *Log) Floor() uint64 { return l.floor }

// Newest returns the newest publications, those that are in memory. They belong to the log, which
// is locked.
func (l *Log) Newest() []*engine.Publication { return l.newest.live() }

// Reserve gives a message the log's next offset and remembers its key. If it returns an error, it
// has changed nothing; with [ErrDuplicate] it returns the offset of the first message with the key.
// The log is locked.
func (l *Log) Reserve(t *Table, k Key, now clock.Mono) (uint64, error) {
	if l.gone {
		return 0, ErrForgotten
	}
	if k.text != "" {
		// Claim under the same lock as the offset, so that the second of two concurrent messages
		// with the same key finds the first.
		if offset, err := l.claim(t, k, now); err != nil {
			l.settle(t)
			return offset, err
		}
	}
	if k.class > l.class {
		l.setClass(t, k.class)
	}
	l.touched = now
	l.next++
	l.reserved++
	if l.store != nil {
		l.settle(t) // it must not be forgotten before Commit
	}
	return l.next, nil
}

// commit makes p the log's head and delivers it. It reports whether the log must be added to the
// evictor, as a log of the class. The caller holds mu.
func (l *Log) commit(t *Table, p *engine.Publication, at clock.Mono, place uint64) (logClass, bool) {
	if l.len() == 0 {
		l.floor = p.Offset - 1 // above the head if offsets were left out
	}
	l.head = p.Offset
	l.reserved--
	l.published++
	cost := int64(len(p.Data)) + publicationOverhead
	if l.store != nil {
		l.store.Append(p.Offset, place)
		cost += StoredOverhead
	}
	l.newest.push(p, at)
	t.inMemory.Add(int64(len(p.Data)) + publicationOverhead)
	l.bytes += int64(len(p.Data))
	l.addCost(t, cost)
	t.kept.Add(1)
	l.expire(t, at)
	for _, f := range l.followers {
		f.Deliver(p)
	}
	add := l.queued.evictor != l.class && l.newest.len() > 0
	if add {
		l.queued.evictor = l.class
	}
	l.settle(t)
	return l.class, add
}

// setClass records that clients publish on the channel, not only backends. The caller holds mu.
func (l *Log) setClass(t *Table, c logClass) {
	cost := l.cost
	l.count(t, -1)
	l.addCost(t, -cost)
	l.class = c
	l.addCost(t, cost)
	l.count(t, 1)
}

// addCost adds n bytes to the cost of the log's publications; n may be negative. The caller holds
// mu.
func (l *Log) addCost(t *Table, n int64) {
	l.cost += n
	l.addUsed(t, n)
}

// addUsed adds n bytes to the totals of the log's class; n may be negative. The caller holds mu.
func (l *Log) addUsed(t *Table, n int64) {
	t.used.Add(n)
	if l.class == classClients {
		t.clientBytes.Add(n)
	}
}

// expire drops the publications over the channel's limits. The caller holds mu.
func (l *Log) expire(t *Table, now clock.Mono) {
	n := l.len()
	old := 0
	for old < n && now.Sub(l.accepted(old)) > l.limits.Age {
		old++
	}
	l.drop(t, old, EvictedAge)
	n -= old
	over, bytes := max(n-max(l.limits.Messages, 0), 0), l.bytes
	for i := range over {
		bytes -= l.size(i)
	}
	for bytes > l.limits.Bytes && n-over > 1 {
		bytes -= l.size(over)
		over++
	}
	l.drop(t, over, EvictedBounds)
}

// drop removes the n oldest publications. The caller holds mu.
func (l *Log) drop(t *Table, n int, cause EvictedCause) {
	if n == 0 {
		return
	}
	for i := range n {
		l.bytes -= l.size(i)
	}
	l.forgetCopies(t, n-l.stored(), &l.floor)
	if l.store != nil {
		l.floor = l.store.Drop(n)
		l.addCost(t, -int64(n)*StoredOverhead)
	}
	if cause == EvictedAge || cause == EvictedBounds || cause == EvictedPurge {
		l.expired = l.floor
	}
	t.kept.Add(-int64(n))
	t.evicted[cause].Add(uint64(n))
}

// forgetCopies removes the n oldest publications from memory, and sets last to the offset of the
// last one. A negative n is 0. The caller holds mu.
func (l *Log) forgetCopies(t *Table, n int, last *uint64) {
	if n <= 0 {
		return
	}
	var cost int64
	for _, p := range l.newest.live()[:n] {
		cost += int64(len(p.Data)) + publicationOverhead
		*last = p.Offset
	}
	l.newest.drop(n)
	t.inMemory.Add(-cost)
	l.addCost(t, -cost)
}

// evictOldest frees the memory of the oldest publication that is in memory. Without a store the log
// loses it. The caller holds mu.
func (l *Log) evictOldest(t *Table) {
	if l.store == nil {
		l.drop(t, 1, EvictedMemory)
		return
	}
	var last uint64
	l.forgetCopies(t, 1, &last)
}

func (l *Log) follow(t *Table, f *follower) (head uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0, false
	}
	l.followers = append(l.followers, f)
	l.settle(t)
	return l.head, true
}

func (l *Log) unfollow(t *Table, f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.followers, f); i >= 0 {
		l.followers = slices.Delete(l.followers, i, i+1)
	}
	l.touched = clock.Now()
	l.settle(t)
}
