package memory

import (
	"context"
	"maps"
	"time"

	"github.com/boreas-pubsub/boreas/internal/clock"
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
func (m *Engine) janitor(ctx context.Context) {
	defer close(m.done)
	tick := time.NewTicker(janitorPeriod)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % shards {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.clean(&m.shards[i], clock.Now())
			m.forgetIdle()
			if i == shards-1 {
				m.evictor.compact()
				m.idle.compact()
			}
		}
	}
}

// clean drops expired publications and keys of a shard, and forgets logs that were not used for
// logLinger.
func (m *Engine) clean(s *shard, now clock.Mono) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		l.mu.Lock()
		l.expire(m, now)
		l.expireKeys(m, now)
		l.settle(m)
		if l.state == logIdle && now.Sub(l.touched) >= logLinger {
			m.forget(l)
		}
		l.mu.Unlock()
	}
	if s.most > 64 && len(s.logs) < s.most/4 {
		s.logs, s.most = maps.Collect(maps.All(s.logs)), len(s.logs)
	}
}

// forget removes an idle log. The caller holds its lock and the lock of its shard.
func (m *Engine) forget(l *channelLog) {
	s, retired := m.place(l.name)
	*retired = max(*retired, l.head)
	l.gone = true
	delete(s.logs, l.name)
	l.settle(m)
}
