package boreas

import "sync"

// logState is what a log is good for, which decides what its memory counts with.
type logState uint8

const (
	// logNew: it has just been made, or has been forgotten. It counts with nothing.
	logNew logState = iota

	// logKept: it keeps publications or keys. It counts with history, which the ceiling
	// bounds, and eviction makes it one of the others.
	logKept

	// logFollowed: it keeps nothing, and somebody follows it. It is no history and must not
	// push any out, so the ceiling does not know of it: whoever lets sessions follow
	// bounds it. See Options.ChannelMemory.
	logFollowed

	// logIdle: it keeps nothing and nobody follows it. It only knows where the channel's
	// next publication goes, so that "nothing new since" can still be told. It counts with
	// history, and makes room before any publication does.
	logIdle
)

// settle notes what the log is now. Whoever changes what that depends on calls it before
// releasing mu.
func (l *memoryLog) settle(m *Memory) {
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

// count adds the log n times to what it counts with. The caller holds mu.
func (l *memoryLog) count(m *Memory, n int64) {
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

// idleLogs are the logs that are idle, those first that became so first. Others are among
// them that have been idle and are no longer: who takes one looks. Its lock comes after
// memoryLog.mu.
type idleLogs struct {
	mu   sync.Mutex
	list []*memoryLog
}

func (q *idleLogs) push(l *memoryLog) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, l)
}

func (q *idleLogs) pop() *memoryLog {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		q.list = nil // nothing holds the array
		return nil
	}
	l := q.list[0]
	q.list[0] = nil
	q.list = q.list[1:]
	return l
}

// forgetIdle forgets logs that are idle, the first first, while there is too much of them,
// or of all together. The caller holds no lock of a shard or log.
func (m *Memory) forgetIdle() {
	for m.idleBytes.Load() > m.options.Memory/idleShare || m.idleBytes.Load() > 0 && m.used.Load() > m.options.Memory {
		l := m.idle.pop()
		if l == nil {
			return // others are about to forget them
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

// compact lets go of those that are not idle any more.
func (q *idleLogs) compact() {
	q.mu.Lock()
	list := q.list
	q.list = nil
	q.mu.Unlock()
	var idle []*memoryLog
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
