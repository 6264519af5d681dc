package boreas

import (
	"time"

	"github.com/boreas-pubsub/boreas/engine"
)

const (
	// firstLook and lastLook are how long a watch waits before it reads a channel's log again; the
	// wait doubles each time.
	firstLook = 10 * time.Millisecond
	lastLook  = time.Second
)

// logWatch waits until a channel's log shows the publications that the engine has delivered
// already, for all sessions that need it.
type logWatch struct {
	shown chan struct{}   // closed when there is reason to read again
	wakes []chan struct{} // wakeups of the sessions that wait; guarded by channel.mu
}

// awaitLog returns a channel that is closed when the log may show more than it does now. After
// that, wake is signalled.
func (ch *channel) awaitLog(h *Hub, wake chan struct{}) <-chan struct{} {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.watch == nil {
		w := &logWatch{shown: make(chan struct{})}
		ch.watch = w
		l, floor, unkept := ch.life.Load(), ch.floor, ch.unkept // offsets that the log must show
		h.goroutines.Go(func() {
			h.watchLog(l, floor, unkept)
			ch.endWatch(w)
		})
	}
	ch.watch.wakes = append(ch.watch.wakes, wake)
	return ch.watch.shown
}

// watchLog returns when the channel's log shows the publication at offset unkept and its head is
// at the floor or after it, when the log cannot be read, or when no session needs it any more.
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

// pass moves the subscription's cursor to the window's floor, if it is certain that no
// publication is lost: a Read found nothing after the cursor, its head is at the floor or after
// it, and nothing was delivered in between. Offsets have holes, and an engine's head may be
// beyond the channel's newest publication, so a cursor behind the window need not be behind any
// publication. It returns false if the log does not yet show everything that the engine has
// delivered. The caller holds Session.mu.
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
