package channellog

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
func (l *Log) settle(t *Table) {
	state := logIdle
	switch {
	case l.gone:
		state = logNew
	case l.len() > 0 || l.keys != nil || l.reserved > 0:
		state = logKept
	case len(l.followers) > 0:
		state = logFollowed
	}
	if state == l.state {
		return
	}
	l.count(t, -1)
	if (state == logKept) != (l.state == logKept) {
		s, _ := t.place(l.name)
		s.kept.set(l.name, state == logKept)
	}
	l.state = state
	l.count(t, 1)
	if state == logIdle && !l.queued.idle {
		l.queued.idle = true
		t.idle.push(l)
	}
}

// count adds n times the log to the totals of its state. The caller holds mu.
func (l *Log) count(t *Table, n int64) {
	cost := n * (logOverhead + int64(len(l.name)))
	switch l.state {
	case logNew:
		return
	case logFollowed:
		t.followed.Add(n)
		return
	case logIdle:
		t.idleBytes.Add(cost)
	}
	t.logs.Add(n)
	l.addUsed(t, cost)
}

// idleLogs is a queue of the idle logs, in the order in which they became idle. It may also contain
// logs that are no longer idle, so the caller of pop must check. Its lock comes after
// Log.mu.
type idleLogs struct {
	mu   sync.Mutex
	list []*Log
}

func (q *idleLogs) push(l *Log) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, l)
}

func (q *idleLogs) pop() *Log {
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
// all logs together are above the ceiling. It stops when the engine postpones one, whose turn then
// comes after the others: the next call finds out whether the engine agrees by then. The caller
// holds no lock of a shard or log.
func (t *Table) forgetIdle() {
	for t.idleBytes.Load() > t.options.Memory/idleShare || t.idleBytes.Load() > 0 && t.used.Load() > t.options.Memory {
		l := t.idle.pop()
		if l == nil {
			return // other goroutines are about to forget them
		}
		s, _ := t.place(l.name)
		s.mu.Lock()
		l.mu.Lock()
		postponed := l.state == logIdle && !t.forget(l)
		if l.queued.idle = postponed; postponed {
			t.idle.push(l)
		}
		l.mu.Unlock()
		s.mu.Unlock()
		if postponed {
			return
		}
	}
}

// compact removes the logs that are no longer idle.
func (q *idleLogs) compact() {
	q.mu.Lock()
	list := q.list
	q.list = nil
	q.mu.Unlock()
	var idle []*Log
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
