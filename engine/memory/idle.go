package memory

import "sync"

// logState is the use of a log. It decides which totals the log counts toward.
type logState uint8

const (
	// logNew: the log has just been created or has been forgotten. It counts toward no total.
	logNew logState = iota

	// logKept: the log keeps publications or keys. It counts as history, which the ceiling bounds.
	// Eviction moves it to another state.
	logKept

	// logFollowed: the log keeps nothing and is followed. It is not history and must not evict any,
	// so it does not count toward the ceiling. The hub limits the number of channels that sessions
	// follow; see Options.ChannelMemory there.
	logFollowed

	// logIdle: the log keeps nothing and is not followed. It holds only the channel's head, so that
	// a reader at the head learns that it missed nothing. It counts as history, and is forgotten
	// before any publication is evicted.
	logIdle
)

// settle updates the log's state. It must be called after each change of a field on which the state
// depends, before mu is released.
func (l *channelLog) settle(m *Engine) {
	state := logIdle
	switch {
	case l.gone:
		state = logNew
	case l.pubs.len() > 0 || l.keys != nil:
		state = logKept
	case len(l.followers) > 0:
		state = logFollowed
	}
	if state == l.state {
		return
	}
	l.count(m, -1)
	if (state == logKept) != (l.state == logKept) {
		s, _ := m.place(l.name)
		s.kept.set(l.name, state == logKept)
	}
	l.state = state
	l.count(m, 1)
	if state == logIdle && !l.queued.idle {
		l.queued.idle = true
		m.idle.push(l)
	}
}

// count adds n times the log to the totals of its state. The caller holds mu.
func (l *channelLog) count(m *Engine, n int64) {
	cost := n * (logOverhead + int64(len(l.name)))
	switch l.state {
	case logNew:
		return
	case logFollowed:
		m.followed.Add(n)
		return
	case logIdle:
		m.idleBytes.Add(cost)
	}
	m.logs.Add(n)
	l.addUsed(m, cost)
}

// idleLogs is a queue of the idle logs, in the order in which they became idle. It may also contain
// logs that are no longer idle, so the caller of pop must check. Its lock comes after
// channelLog.mu.
type idleLogs struct {
	mu   sync.Mutex
	list []*channelLog
}

func (q *idleLogs) push(l *channelLog) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, l)
}

func (q *idleLogs) pop() *channelLog {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		q.list = nil // so that the array can be freed
		return nil
	}
	l := q.list[0]
	q.list[0] = nil
	q.list = q.list[1:]
	return l
}

// forgetIdle forgets idle logs, longest idle first, while idle logs use more than their share or
// all logs together are above the ceiling. The caller holds no lock of a shard or log.
func (m *Engine) forgetIdle() {
	for m.idleBytes.Load() > m.options.Memory/idleShare || m.idleBytes.Load() > 0 && m.used.Load() > m.options.Memory {
		l := m.idle.pop()
		if l == nil {
			return // other goroutines are about to forget them
		}
		s, _ := m.place(l.name)
		s.mu.Lock()
		l.mu.Lock()
		l.queued.idle = false
		if l.state == logIdle {
			m.forget(l)
		}
		l.mu.Unlock()
		s.mu.Unlock()
	}
}

// compact removes the logs that are no longer idle.
func (q *idleLogs) compact() {
	q.mu.Lock()
	list := q.list
	q.list = nil
	q.mu.Unlock()
	var idle []*channelLog
	for _, l := range list {
		l.mu.Lock()
		if l.queued.idle = l.state == logIdle; l.queued.idle {
			idle = append(idle, l)
		}
		l.mu.Unlock()
	}
	q.mu.Lock()
	q.list = append(idle, q.list...)
	q.mu.Unlock()
}
