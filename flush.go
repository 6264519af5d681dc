package boreas

import (
	"errors"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// visitWrites is how many full writes a sweeper gives one session before
	// it goes on to the next; the session's group comes again.
	visitWrites = 4

	// stallCheck is how often a session whose socket takes nothing is looked
	// at, to see whether the log has passed its cursor.
	stallCheck = time.Second

	// endTimeout is how long an ended session's last words may wait for its
	// socket to take them.
	endTimeout = 5 * time.Second

	// catchUpLimit is how many publications are read at once for a session
	// that has fallen behind its channel's window.
	catchUpLimit = 256

	// readAgain is how long to wait for an engine's log to show what the engine
	// has delivered already.
	readAgain = 10 * time.Millisecond
)

// outcome is how a flush went.
type outcome int

const (
	flushIdle    outcome = iota // there was nothing to write
	flushDone                   // everything was written
	flushMore                   // a full batch was written, there may be more
	flushBlocked                // the socket refused bytes
	flushLagging                // some channel's window does not reach back to the cursor
	flushLost                   // the connection is lost
)

// flush writes once what the session has coming, on all its channels together: its
// own bytes first, then publications. The caller holds s.mu.
func (s *Session) flush(b *batch, t *tally) (outcome, error) {
	sub, several := s.behind()
	if sub == nil && len(s.out) == 0 {
		return flushIdle, nil
	}
	if !several && len(s.out) == 0 {
		if b.share(s.format, sub) {
			return flushLagging, nil
		}
		return s.write(b, t, sub)
	}
	b.begin(s.out)
	lagging := s.gather(b)
	if len(b.buf) == 0 {
		return flushLagging, nil
	}
	o, err := s.write(b, t, nil)
	if lagging && (o == flushDone || o == flushMore) {
		o = flushLagging
	}
	return o, err
}

// flushOnce is flush for who is no sweeper and has no batch of its own. The caller
// holds s.mu.
func (s *Session) flushOnce() (outcome, error) {
	b, t := getBatch(), tally{}
	defer putBatch(b)
	o, err := s.flush(b, &t)
	t.addTo(&s.hub.stats)
	return o, err
}

// behind returns a subscription with something to write, and whether there are
// several such.
func (s *Session) behind() (first *subscription, several bool) {
	for _, sub := range s.subs {
		if sub.cursor.Load() < sub.ch.head.Load() {
			if first != nil {
				return first, true
			}
			first = sub
		}
	}
	return first, false
}

// gather appends what all subscriptions have coming, as far as there is room.
func (s *Session) gather(b *batch) (lagging bool) {
	n := len(s.subs)
	if n == 0 {
		return false
	}
	first := int(s.turn) % n
	for i := range n {
		sub := s.subs[(first+i)%n]
		if sub.cursor.Load() == sub.ch.head.Load() {
			continue
		}
		whole, lag := b.addPending(s.format, sub, sub)
		lagging = lagging || lag
		if !whole {
			// The next batch begins elsewhere, so that a busy channel
			// does not keep the others waiting for ever.
			s.turn++
			break
		}
	}
	return lagging
}

// write makes one attempt to write the batch, which begins with s.out, and settles
// what came of it. Only is set if the batch is a shared stretch.
func (s *Session) write(b *batch, t *tally, only *subscription) (outcome, error) {
	n, err := s.conn.TryWrite(b.buf)
	if err != nil {
		return flushLost, err
	}
	rest, delivered := b.settle(n, s.out, only)
	t.write(delivered, n)
	s.out = rest
	if rest == nil {
		s.sent = 0
	}
	switch {
	case n < len(b.buf):
		return flushBlocked, nil
	case b.full():
		return flushMore, nil
	}
	return flushDone, nil
}

// visit writes what the session has coming, for a sweeper. It returns true if
// there is more and the session takes it.
func (s *Session) visit(b *batch, t *tally) (more bool) {
	s.mu.Lock()
	if s.draining || s.ending {
		s.mu.Unlock()
		return false
	}
	for range visitWrites {
		o, err := s.flush(b, t)
		switch o {
		case flushMore:
			continue
		case flushBlocked, flushLagging:
			s.startDraining()
		case flushLost:
			s.mu.Unlock()
			s.finish(err)
			return false
		}
		s.mu.Unlock()
		return false
	}
	s.mu.Unlock()
	return true
}

// flushNow writes what the session has coming, if nobody else does. The caller
// holds s.mu; flushNow unlocks it.
func (s *Session) flushNow() {
	if s.draining || s.finished {
		s.mu.Unlock()
		return
	}
	o, err := s.flushOnce()
	ended := s.ending && o <= flushDone
	if o > flushDone && o != flushLost {
		s.startDraining()
	}
	s.mu.Unlock()
	switch {
	case o == flushLost:
		s.finish(err)
	case ended:
		s.finish(s.reason)
	}
}

// startDraining gives the session a goroutine of its own, until it has caught up.
// The caller holds s.mu.
func (s *Session) startDraining() {
	s.draining = true
	s.hub.stats.blocked.Add(1)
	s.hub.goroutines.Go(s.drain)
}

// drain writes what the session has coming, waiting for its socket, and reads the
// engine's log where the channel's window does not reach back far enough.
func (s *Session) drain() {
	defer s.hub.stats.blocked.Add(-1)
	for {
		o, err := s.drainOnce()
		if o == flushLagging {
			o, err = s.catchUp()
		}
		switch o {
		case flushIdle:
			return
		case flushBlocked:
			err = s.conn.WaitWritable(stallCheck)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = s.stalled()
			}
		}
		if err != nil {
			s.finish(err)
			return
		}
	}
}

// drainOnce flushes, and ends the draining when there is nothing left to write.
func (s *Session) drainOnce() (outcome, error) {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return flushIdle, nil
	}
	o, err := s.flushOnce()
	if o != flushIdle {
		s.mu.Unlock()
		return o, err
	}
	s.draining = false
	ending, reason := s.ending, s.reason
	s.mu.Unlock()
	if ending {
		s.finish(reason)
	}
	return flushIdle, nil
}

// stalled looks at a session whose socket has taken nothing for a while. It
// returns an error if the session is to be finished at once.
func (s *Session) stalled() error {
	s.mu.Lock()
	ending, late := s.ending, time.Since(s.endedAt) > endTimeout
	s.mu.Unlock()
	if ending {
		if late {
			return os.ErrDeadlineExceeded
		}
		return nil
	}
	for _, sub := range s.laggards() {
		if _, err := s.read(sub, 0); err != nil {
			s.End(lagReason(err))
			return nil
		}
	}
	return nil
}

// catchUp writes a part of what the engine keeps for each subscription that is
// behind its channel's window.
func (s *Session) catchUp() (outcome, error) {
	for _, sub := range s.laggards() {
		h, err := s.read(sub, catchUpLimit)
		if err != nil {
			s.End(lagReason(err))
			return flushDone, nil // drainOnce sees to the last words
		}
		if len(h.Publications) == 0 {
			// The engine delivered what its log does not show yet.
			select {
			case <-time.After(readAgain):
			case <-s.hub.ctx.Done():
			}
			continue
		}
		if o, err := s.writeHistory(sub, h); o >= flushBlocked {
			return o, err
		}
	}
	return flushDone, nil
}

func (s *Session) writeHistory(sub *subscription, h History) (outcome, error) {
	b, t := getBatch(), tally{}
	defer putBatch(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || !slices.Contains(s.subs, sub) {
		return flushDone, nil // it left meanwhile
	}
	b.begin(s.out)
	b.add(s.format, sub.ch.name, sub, h.Publications)
	o, err := s.write(b, &t, nil)
	t.addTo(&s.hub.stats)
	return o, err
}

func (s *Session) read(sub *subscription, limit int) (History, error) {
	return s.hub.engine.Read(s.hub.ctx, sub.ch.name, Position{sub.ch.epoch, sub.cursor.Load()}, limit)
}

// laggards returns the subscriptions that are behind their channel's window.
func (s *Session) laggards() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*subscription
	for _, sub := range s.subs {
		if sub.ch.windowPassed(sub.cursor.Load()) {
			all = append(all, sub)
		}
	}
	return all
}

// lagReason turns the engine's error into the reason that the session is told.
func lagReason(err error) error {
	switch {
	case errors.Is(err, ErrExpired), errors.Is(err, ErrUnknownEpoch), errors.Is(err, ErrAhead):
		return ErrSlow
	}
	return err
}

// batches are scratch space for who writes and is no sweeper.
var batches = sync.Pool{New: func() any { return new(batch) }}

func getBatch() *batch { return batches.Get().(*batch) }

func putBatch(b *batch) {
	b.forget()
	clear(b.marks)
	batches.Put(b.trimmed())
}
