package tail

import "slices"

const (
	// MaxQueue is how many events wait for a watcher at most, and MaxQueueBytes how many bytes of
	// messages.
	MaxQueue      = 2048
	MaxQueueBytes = 1 << 20
)

// A Watcher receives events. One goroutine at a time calls its methods.
type Watcher struct {
	log    *Log
	filter Filter
	ready  chan struct{} // see Ready

	// Guarded by log.mu.
	queue  []Event
	bytes  int    // of the data in queue
	missed uint64 // events that came after those in queue, and were left out
	ended  bool
}

// offer puts an event into the queue, if the filter selects it. After the first one that is left out,
// all are left out until the queue is empty, so that the watcher learns where events are missing. The
// caller holds log.mu.
func (w *Watcher) offer(e numbered) {
	if !w.filter.Matches(&e.Event) {
		return
	}
	if w.missed > 0 || len(w.queue) >= MaxQueue || w.bytes+len(e.Data) > MaxQueueBytes && len(w.queue) > 0 {
		w.missed++
		return
	}
	w.queue = append(w.queue, e.Event)
	w.bytes += len(e.Data)
	if len(w.queue) == 1 {
		w.wake()
	}
}

func (w *Watcher) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Ready returns a channel that receives a value when [Watcher.Take] may have something to return. It
// always returns the same channel.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// Take returns the events that wait, in order, and how many are missing after them because the watcher
// was slow. Error: [ErrClosed].
func (w *Watcher) Take() (events []Event, missed uint64, err error) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	events, missed = w.queue, w.missed
	w.queue, w.bytes, w.missed = nil, 0, 0
	if len(events) == 0 && (w.log.closed || w.ended) {
		return nil, 0, ErrClosed
	}
	return events, missed, nil
}

// Close ends the watcher. It may be called more than once.
func (w *Watcher) Close() {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if w.ended {
		return
	}
	w.ended = true
	w.log.watchers = slices.DeleteFunc(w.log.watchers, func(other *Watcher) bool { return other == w })
	w.log.watched.Add(-1)
}
