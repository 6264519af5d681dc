package tail

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

const (
	// Recent is how many events of each kind a log keeps for new watchers.
	Recent = 256

	// RecentBytes is how many bytes of messages a log keeps for new watchers.
	RecentBytes = 1 << 20

	// MaxWatchers is how many watchers a log has at once.
	MaxWatchers = 32
)

// Errors of [Log.Watch] and [Watcher.Take].
var (
	ErrTooManyWatchers = errors.New("tail: too many watchers")
	ErrClosed          = errors.New("tail: closed")
)

// A Log passes events to watchers. Its methods may be called by many goroutines at once. A nil Log
// has no events, and nobody can watch it.
type Log struct {
	watched atomic.Int32 // number of watchers

	mu       sync.Mutex // guards the fields below, and the queues of the watchers
	next     uint64     // number of the next event
	recent   [len(kinds)]ring
	watchers []*Watcher
	closed   bool
}

// New returns an empty log.
func New() *Log { return &Log{} }

// numbered is an event with its place among all events.
type numbered struct {
	number uint64
	Event
}

// ring has the newest events of one kind, oldest first.
type ring struct {
	events []numbered
	bytes  int // of their data
}

func (r *ring) add(e numbered) {
	r.events = append(r.events, e)
	r.bytes += len(e.Data)
	drop := 0
	for len(r.events)-drop > Recent || r.bytes > RecentBytes && len(r.events)-drop > 1 {
		r.bytes -= len(r.events[drop].Data)
		r.events[drop] = numbered{} // the array is kept longer than the slice
		drop++
	}
	r.events = r.events[drop:]
}

// Watched reports whether somebody watches. It costs one atomic load. Without a watcher the event of
// a message need not be made.
func (l *Log) Watched() bool { return l != nil && l.watched.Load() > 0 }

// Add adds an event with the current time. It does not wait for any watcher, and calls nothing.
func (l *Log) Add(e Event) {
	if l == nil {
		return
	}
	e.Time = time.Now()
	e.Channel = strings.Clone(e.Channel) // it may be a part of a whole request
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	n := numbered{l.next, e}
	l.next++
	if i := slices.Index(kinds[:], e.Kind); i >= 0 {
		l.recent[i].add(n)
	}
	for _, w := range l.watchers {
		w.offer(n)
	}
}

// Publisher returns the newest event about the message at a position of a channel. It reports false
// if the log does not keep it: because there are newer messages, or because nobody watched when the
// message was published.
func (l *Log) Publisher(channel string, at engine.Position) (Event, bool) {
	if l == nil {
		return Event{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range slices.Backward(l.recent[slices.Index(kinds[:], Message)].events) {
		if e.Channel == channel && e.Position == at {
			return e.Event, true
		}
	}
	return Event{}, false
}

// Forget removes the kept messages of a channel up to a position, so that later watchers do not receive
// them. Watchers whose queues have them already still do.
func (l *Log) Forget(channel string, upTo engine.Position) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.recent[slices.Index(kinds[:], Message)]
	r.events = slices.DeleteFunc(r.events, func(e numbered) bool {
		gone := e.Channel == channel && e.Position.Epoch == upTo.Epoch && e.Position.Offset <= upTo.Offset
		if gone {
			r.bytes -= len(e.Data)
		}
		return gone
	})
}

// Watch returns a watcher of the events that the filter selects, beginning with those that the log
// has kept. Call [Watcher.Close] when it is not needed any more. Errors: [ErrTooManyWatchers],
// [ErrClosed].
func (l *Log) Watch(f Filter) (*Watcher, error) {
	if l == nil {
		return nil, ErrClosed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, ErrClosed
	case len(l.watchers) >= MaxWatchers:
		return nil, ErrTooManyWatchers
	}
	w := &Watcher{log: l, filter: f, ready: make(chan struct{}, 1)}
	var kept []numbered
	for i := range l.recent {
		kept = append(kept, l.recent[i].events...)
	}
	slices.SortFunc(kept, func(a, b numbered) int { return int(int64(a.number - b.number)) })
	for _, e := range kept {
		w.offer(e)
	}
	w.missed = 0 // what is old is not missed
	l.watchers = append(l.watchers, w)
	l.watched.Add(1)
	return w, nil
}

// Close ends all watchers. Events are dropped from then on.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, w := range l.watchers {
		w.wake()
	}
}
