package boreas

import (
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

const (
	// firstLook and lastLook are the first and the longest interval at which a watch reads a
	// channel's log. The interval doubles each time.
	firstLook = 10 * time.Millisecond
	lastLook  = time.Second
)

// logWatch waits, for all sessions that need it, until a channel's log shows the publications that
// the engine has already delivered.
type logWatch struct {
	shown chan struct{}   // closed when the log should be read again
	wakes []chan struct{} // wakeups of the waiting sessions; guarded by channel.mu
}

// awaitLog returns a channel that is closed when the log may show more than it does now. Then wake
// is signalled.
func (ch *channel) awaitLog(h *Hub, wake chan struct{}) <-chan struct{} {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.watch == nil {
		w := &logWatch{shown: make(chan struct{})}
		ch.watch = w
		l, floor, unkept := ch.life.Load(), ch.floor, ch.unkept // the log must reach these offsets
		h.goroutines.Go(func() {
			h.watchLog(l, floor, unkept)
			ch.endWatch(w)
		})
	}
	ch.watch.wakes = append(ch.watch.wakes, wake)
	return ch.watch.shown
}

// watchLog returns when the channel's log shows the publication at offset unkept and has a head at
// or after floor. It also returns when the log cannot be read, or when no session waits any more.
func (h *Hub) watchLog(l *life, floor, unkept uint64) {
	ch := l.ch
	for pause := firstLook; ch.subscribers() > 0 && ch.life.Load() == l; pause = min(2*pause, lastLook) {
		select {
		case <-time.After(pause):
		case <-h.ctx.Done():
			return
		}
		log, err := h.read(h.ctx, forCatchUp, ch.name, engine.Position{}, engine.Limit{Messages: -1})
		if err != nil {
			return // each waiting session handles the error itself
		}
		newest := log.Floor.Offset
		for _, p := range log.Publications {
			newest = p.Offset
		}
		if newest >= unkept && log.Head.Offset >= floor {
			return
		}
	}
}

func (ch *channel) endWatch(w *logWatch) {
	ch.mu.Lock()
	ch.watch = nil
	ch.mu.Unlock()
	close(w.shown)
	for _, wake := range w.wakes {
		signal(wake)
	}
}

// pass moves the subscription's cursor to the floor of the window, if it is certain that this skips
// no publication: a Read found nothing after the cursor, its head is at or after the floor, and
// nothing was delivered in between. Because offsets have holes, and an engine's head may be after
// the channel's newest publication, a cursor before the window may have no publication to catch up
// with. Pass returns false if the log does not yet show everything that the engine has delivered.
// The caller holds Session.mu.
func (sub *subscription) pass(head engine.Position) bool {
	ch := sub.channel()
	ch.mu.Lock()
	defer ch.mu.Unlock()
	at := sub.cursor.Load()
	if sub.life.Load() != ch.life.Load() || head.Epoch != ch.life.Load().epoch || ch.unkept > at || head.Offset < ch.floor {
		return false
	}
	sub.cursor.Store(max(at, ch.floor))
	return true
}
