package channellog

import (
	"context"
	"maps"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// logLinger is how long a log without publications and followers is kept, so that a reader at
	// its head still learns that it missed nothing.
	logLinger = time.Hour

	// janitorPeriod is how often the janitor visits one shard. It visits each shard once in every
	// shards periods. Readers never see expired data, so this only bounds how long its memory is
	// held.
	janitorPeriod = 500 * time.Millisecond
)

// janitor frees expired data, one shard at a time.
func (t *Table) janitor(ctx context.Context) {
	defer close(t.done)
	tick := time.NewTicker(janitorPeriod)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % shards {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.clean(&t.shards[i], clock.Now())
			t.forgetIdle()
			if i == shards-1 {
				t.evictor.compact()
				t.idle.compact()
			}
		}
	}
}

// clean drops expired publications and keys of a shard, and forgets logs that were not used for
// logLinger.
func (t *Table) clean(s *shard, now clock.Mono) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		l.mu.Lock()
		l.expire(t, now)
		l.expireKeys(t, now)
		l.settle(t)
		if l.state == logIdle && now.Sub(l.touched) >= logLinger {
			t.forget(l) // if the engine postpones it, the next visit tries again
		}
		l.mu.Unlock()
	}
	if s.most > 64 && len(s.logs) < s.most/4 {
		s.logs, s.most = maps.Collect(maps.All(s.logs)), len(s.logs)
	}
}

// forget removes an idle log. It returns false if the engine postpones that. The caller holds the
// log's lock and the lock of its shard.
func (t *Table) forget(l *Log) bool {
	if l.store != nil && t.options.MayForget != nil && !t.options.MayForget(l.next) {
		return false
	}
	s, retired := t.place(l.name)
	start := retired.of(l.store)
	*start = max(*start, l.next)
	l.gone = true
	delete(s.logs, l.name)
	l.settle(t)
	return true
}
