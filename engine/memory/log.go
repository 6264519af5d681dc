package memory

import (
	"errors"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/clock"
)

// Lock order: evictor.mu, shard.mu, channelLog.mu. While holding channelLog.mu, code may take
// idleLogs.mu, keptNames.mu, keyShares.mu, and the locks that deliver takes (channel.mu, queue.mu).

// channelLog is the log of one channel.
type channelLog struct {
	// Immutable.
	name   string // of its channel
	limits engine.Retention

	mu        sync.Mutex // guards the fields below
	pubs      pubList
	bytes     int64  // of the data of pubs
	floor     uint64 // see engine.History
	head      uint64
	touched   clock.Mono // when it was created, last published to or last unfollowed
	followers []*follower
	keys      *logKeys // nil if no keys are remembered
	gone      bool     // forgotten by the engine; the channel's next log is another one
	state     logState // derived from gone, pubs, keys and followers; see settle
	class     logClass // of the publishers since it was created
	queued    struct {
		evictor logClass // the class in whose heap its valid entry is, classNone if it has none
		idle    bool     // it is in Engine.idle
	}
}

// follower is one call of Follow. Its address distinguishes two calls with the same
// engine.Follower.
type follower struct{ engine.Follower }

// Errors of [channelLog.append] besides those of [engine.Engine.Publish].
var (
	errForgotten = errors.New("the log is gone")
	errDuplicate = errors.New("published before with the same key")
)

// append adds p to the log, sets its offset and time, and delivers it to the followers. It returns
// the offset. If it returns an error, it has changed nothing; with errDuplicate it returns the
// offset of the first message with the key.
func (l *channelLog) append(m *Engine, p *engine.Publication, c logClass, key publishKey) (uint64, error) {
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return 0, errForgotten
	}
	now, wall := clock.Both()
	if key.text != "" {
		// Claim under the same lock as the append, so that the second of two concurrent messages
		// with the same key finds the first.
		if offset, err := l.claim(m, key, now); err != nil {
			l.settle(m)
			l.mu.Unlock()
			return offset, err
		}
	}
	if c > l.class {
		l.setClass(m, c)
	}
	l.head++
	p.Offset, p.Time = l.head, wall
	l.touched = now
	l.pubs.push(p, now)
	l.bytes += int64(len(p.Data))
	l.addUsed(m, int64(len(p.Data))+publicationOverhead)
	m.kept.Add(1)
	l.expire(m, now)
	for _, f := range l.followers {
		f.Deliver(p)
	}
	offset := p.Offset
	class, oldest := l.class, now
	unknown := l.queued.evictor != class && l.pubs.len() > 0
	if unknown {
		l.queued.evictor, oldest = class, l.pubs.times()[0]
	}
	l.settle(m)
	l.mu.Unlock()
	if unknown {
		m.evictor.add(l, class, oldest)
	}
	return offset, nil
}

// setClass records that clients publish on the channel, not only backends. The caller holds mu.
func (l *channelLog) setClass(m *Engine, c logClass) {
	kept := l.bytes + int64(l.pubs.len())*publicationOverhead
	l.count(m, -1)
	l.addUsed(m, -kept)
	l.class = c
	l.addUsed(m, kept)
	l.count(m, 1)
}

// addUsed adds n bytes to the totals of the log's class; n may be negative. The caller holds mu.
func (l *channelLog) addUsed(m *Engine, n int64) {
	m.used.Add(n)
	if l.class == classClients {
		m.clientBytes.Add(n)
	}
}

// expire drops the publications over the channel's limits. The caller holds mu.
func (l *channelLog) expire(m *Engine, now clock.Mono) {
	pubs, at := l.pubs.live(), l.pubs.times()
	old := 0
	for old < len(pubs) && now.Sub(at[old]) > l.limits.Age {
		old++
	}
	l.drop(m, old, evictedAge)
	pubs = pubs[old:]
	over, bytes := max(len(pubs)-max(l.limits.Messages, 0), 0), l.bytes
	for _, p := range pubs[:over] {
		bytes -= int64(len(p.Data))
	}
	for bytes > l.limits.Bytes && len(pubs)-over > 1 {
		bytes -= int64(len(pubs[over].Data))
		over++
	}
	l.drop(m, over, evictedBounds)
}

// drop removes the n oldest publications. The caller holds mu.
func (l *channelLog) drop(m *Engine, n int, cause evictedCause) {
	if n == 0 {
		return
	}
	var bytes int64
	for _, p := range l.pubs.live()[:n] {
		bytes += int64(len(p.Data))
		l.floor = p.Offset
	}
	l.pubs.drop(n)
	l.bytes -= bytes
	l.addUsed(m, -bytes-int64(n)*publicationOverhead)
	m.kept.Add(-int64(n))
	m.evicted[cause].Add(uint64(n))
}

func (l *channelLog) follow(m *Engine, f *follower) (head uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0, false
	}
	l.followers = append(l.followers, f)
	l.settle(m)
	return l.head, true
}

func (l *channelLog) unfollow(m *Engine, f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.followers, f); i >= 0 {
		l.followers = slices.Delete(l.followers, i, i+1)
	}
	l.touched = clock.Now()
	l.settle(m)
}
