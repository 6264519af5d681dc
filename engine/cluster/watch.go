package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// watchPeriod is how often the node asks how long the stream is.
	watchPeriod = 500 * time.Millisecond

	// suspectFor is how long the leader must say that the stream is gone, or that it is shorter than it
	// was. A leader that was just elected may say so for a moment.
	suspectFor = 2 * time.Second
)

// A watcher looks at the stream from time to time. It is used by one goroutine.
type watcher struct {
	before, last uint64     // where the tail and the stream were at the last look
	shorter      clock.Mono // since when the stream is said to be shorter than the tail; 0 if it is not
	read         uint64     // where the tail was then
	gone         clock.Mono // since when the stream is said to be gone; 0 if it is not
}

// watch reads the stream itself while the consumer is silent although the stream has grown: the
// server of the consumer may be gone, and another consumer needs a leader of the whole cluster. It
// also notices that the stream has lost messages, or is gone.
func (e *Engine) watch(ctx context.Context) {
	var w watcher
	looks := e.options.looks
	if looks == nil {
		tick := time.NewTicker(watchPeriod)
		defer tick.Stop()
		looks = tick.C
	}
	for {
		select {
		case <-looks:
			e.look(ctx, &w)
		case seq := <-e.late:
			e.fetch(ctx, seq)
		case <-ctx.Done():
			return
		}
	}
}

// hurry tells the watch that a publisher waits for a message that the tail does not have.
func (e *Engine) hurry(seq uint64) {
	select {
	case e.late <- seq:
	default: // it is busy with another one
	}
}

const (
	// fetchPause is the pause between two looks at a tail that should move, and between two reads of a
	// message that the replicas may not have yet. After fetchTries the regular looks go on.
	fetchPause = 10 * time.Millisecond
	fetchTries = 10
)

// fetch reads the stream directly up to a message, unless the tail moves by itself.
func (e *Engine) fetch(ctx context.Context, seq uint64) {
	before := e.tail.at.Load()
	if before >= seq || !e.pause(ctx, fetchPause) || e.tail.at.Load() != before {
		return
	}
	for range fetchTries {
		if err := e.fill(ctx, seq); err != nil {
			e.log.Debug("cannot read the stream directly", "error", err)
			return
		}
		if e.tail.at.Load() >= seq || !e.pause(ctx, fetchPause) {
			return
		}
	}
}

// look looks once at the stream. It takes a few seconds at most.
func (e *Engine) look(ctx context.Context, w *watcher) {
	at := e.tail.at.Load() // before the question, whose answer may be older than what comes meanwhile
	unproved := e.tail.toProve()
	epoch, created := e.identity()
	s, err := e.streamState(ctx, "")
	now := clock.Now()
	switch {
	case errors.Is(err, errNoStream):
		if w.gone = first(w.gone, now); now.Sub(w.gone) >= suspectFor {
			w.gone = 0
			e.restore(ctx, epoch)
		}
		return
	case err != nil:
		return
	}
	w.gone = 0
	if created.IsZero() {
		e.learnCreated(epoch, s.created)
	}
	lost, err := e.lost(ctx, s, at, unproved, w)
	switch {
	case err != nil:
		return
	case lost != "":
		*w = watcher{}
		e.rewind(ctx, epoch, s, lost)
		return
	}
	e.counters.last.Store(s.Last)
	if s.Last >= at {
		e.keepMarker(ctx, s)
	}
	if at == w.before && w.last > at { // it was behind at the last look, and nothing came since
		if err := e.fill(ctx, s.Last); err != nil && ctx.Err() == nil {
			e.log.Debug("cannot read the stream directly", "error", err)
		}
		at = e.tail.at.Load()
	}
	w.before, w.last = at, s.Last
	if err := e.keepConsumer(ctx, at+1); err != nil {
		e.log.Debug("cannot start a consumer; the stream is read directly until it works", "error", err)
	}
}

// lost returns why messages that this node has read are not in the stream any more, or "" if they
// are. The stream may have grown since, beyond the place of the tail. So it compares messages that the
// tail has taken.
func (e *Engine) lost(ctx context.Context, s state, at uint64, unproved []place, w *watcher) (why string, err error) {
	now := clock.Now()
	if e.madeAgain(s) {
		return "it is a copy, or was made again", nil
	}
	if s.Last < at {
		// The leader's own word is not enough: it may not have all of its messages yet. But a majority
		// never gives a new message a sequence that another one has.
		if w.shorter == 0 {
			w.shorter, w.read = now, at
		}
		if beat, ok := e.health.beatSince(w.shorter); ok && beat <= w.read {
			return "it is shorter", nil
		}
		return "", nil
	}
	w.shorter = 0
	for i, p := range unproved {
		m, err := e.leaderGet(ctx, p.seq)
		switch {
		case errors.Is(err, errNoMessage):
			// The limits of the stream have dropped it, because the leader has later ones.
		case err != nil:
			e.tail.proved(unproved[:i])
			return "", err
		case m.Time.UnixNano() != p.time:
			return "it has another message in place of one that this node has read", nil
		}
	}
	e.tail.proved(unproved)
	return "", nil
}

func (e *Engine) currentEpoch() uint64 {
	epoch, _ := e.identity()
	return epoch
}

// identity returns the epoch, and when its stream was created, which is zero if that is not known yet.
func (e *Engine) identity() (epoch uint64, created time.Time) {
	e.life.RLock()
	defer e.life.RUnlock()
	return e.epoch, e.created
}

// learnCreated records when the stream of the epoch was created, if that is not known.
func (e *Engine) learnCreated(epoch uint64, created time.Time) {
	e.life.Lock()
	defer e.life.Unlock()
	if e.epoch == epoch && e.created.IsZero() {
		e.created = created
	}
}

// madeAgain reports whether the stream is another one than before, also if it has the same messages.
func (e *Engine) madeAgain(s state) bool {
	_, created := e.identity()
	return !created.IsZero() && !s.created.Equal(created)
}

// first returns since, or now if it is not set.
func first(since, now clock.Mono) clock.Mono {
	if since == 0 {
		return now
	}
	return since
}

// restore makes the stream again after somebody has deleted it. The new stream has no marker, so a
// new epoch begins.
func (e *Engine) restore(ctx context.Context, epoch uint64) {
	e.log.Error("the stream of messages is gone, and is made again; its messages are lost", "stream", e.names.stream)
	if _, err := e.tryStream(ctx); err != nil {
		e.log.Error("cannot make the stream of messages again", "error", err)
		return
	}
	s, err := e.streamState(ctx, "")
	if err == nil && e.madeAgain(s) {
		e.rewind(ctx, epoch, s, "it was made again")
	}
}

// rewind ends an epoch because the stream has lost messages of it that this node has read. If the marker of the
// stream has a later epoch, another node was faster. If it has an earlier one, the stream is an older copy.
func (e *Engine) rewind(ctx context.Context, epoch uint64, s state, why string) {
	// The watcher has other duties, so it tries again at the next look.
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m, err := e.currentMarker(ctx, epoch)
	if err != nil {
		e.log.Error("cannot read the epoch of the stream, which has lost messages", "because", why, "error", err)
		return
	}
	if m.epoch <= epoch {
		e.log.Error("the stream has lost messages that this node has read: a new epoch begins", "because", why, "last", s.Last, "read", e.tail.at.Load())
		if m, err = e.writeMarker(ctx, m.seq, newEpoch(epoch)); err != nil {
			e.log.Error("cannot begin a new epoch", "error", err)
			return
		}
	}
	e.adopt(ctx, m, s.created)
}

// adopt begins the epoch of a marker that another stream has, and reads on from there.
func (e *Engine) adopt(ctx context.Context, m marker, created time.Time) {
	e.life.Lock()
	if m.epoch >= e.epoch { // otherwise the tail has read a later one
		e.created = created
	}
	e.tail.mu.Lock()
	changed := m.epoch > e.epoch
	if changed {
		e.begin(m.epoch, m.seq)
		e.tail.generation++
	}
	e.tail.mu.Unlock()
	e.life.Unlock()
	if changed {
		if err := e.startConsumer(ctx, m.seq+1); err != nil {
			e.log.Warn("cannot start a consumer; the stream is read directly until it works", "error", err)
		}
	}
}
