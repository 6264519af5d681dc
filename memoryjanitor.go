package boreas

import (
	"context"
	"maps"
	"time"
)

const (
	// logLinger is how long a log without publications and followers is
	// remembered, so that "nothing new since" can still be told.
	logLinger = time.Hour

	// janitorPeriod is how often one shard is searched for what has expired:
	// each shard's turn comes every memoryShards periods. Readers never see
	// what has expired; this only bounds how long its memory is held.
	janitorPeriod = 500 * time.Millisecond
)

// janitor frees what has expired, one shard at a time.
func (m *Memory) janitor(ctx context.Context) {
	defer close(m.done)
	tick := time.NewTicker(janitorPeriod)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % memoryShards {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			m.clean(&m.shards[i], now.UnixNano())
			if i == memoryShards-1 {
				m.evictor.compact()
			}
		}
	}
}

// clean drops what has expired in a shard, and forgets logs long unused.
func (m *Memory) clean(s *memoryShard, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		linger := int64(logLinger)
		if m.crowded() {
			linger = 0
		}
		l.mu.Lock()
		l.expire(m, now)
		l.expireKeys(m, now)
		if l.empty() && now-l.touched >= linger {
			m.forget(l)
		}
		l.mu.Unlock()
	}
	if s.most > 64 && len(s.logs) < s.most/4 {
		s.logs, s.most = maps.Collect(maps.All(s.logs)), len(s.logs)
	}
}

// crowded tells whether the logs themselves cost too much.
func (m *Memory) crowded() bool { return m.logBytes.Load() > m.options.Memory/logShare }

// forgetIfEmpty forgets a log if there is nothing to lose but the proof that nothing
// was published. The caller holds no lock of a shard or log.
func (m *Memory) forgetIfEmpty(l *memoryLog) {
	s, _ := m.place(l.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.empty() && !l.gone {
		m.forget(l)
	}
}

// forget removes an empty log. The caller holds its lock and its shard's.
func (m *Memory) forget(l *memoryLog) {
	s, retired := m.place(l.name)
	*retired = max(*retired, l.head)
	l.gone = true
	delete(s.logs, l.name)
	m.logs.Add(-1)
	m.addLogBytes(-logOverhead - int64(len(l.name)))
}
