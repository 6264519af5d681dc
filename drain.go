package boreas

import (
	"errors"
	"os"
	"slices"
	"time"
)

const (
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
			err = s.awaitWritable()
		}
		if err != nil {
			s.finish(err)
			return
		}
	}
}

// awaitWritable waits until the session's socket takes something. It tries no write before
// that: each attempt would encode and copy the bytes that wait. It
// returns an error if the session is to be finished.
func (s *Session) awaitWritable() error {
	for {
		err := s.conn.WaitWritable(stallCheck)
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if late {
			err = s.stalled()
		}
		s.conflate()
		if !late || err != nil {
			return err
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
	if s.announcer() != nil {
		return nil // it will be told, once it reads again
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
	fell := false // behind the log
	for _, sub := range s.laggards() {
		h, err := s.read(sub, catchUpLimit)
		switch {
		case errors.Is(err, ErrExpired) && s.announcer() != nil:
			s.skip(sub, GapSlow, h.Floor)
			fell = true
			continue
		case err != nil:
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
	if fell && s.fellBehind() {
		s.End(ErrFallsBehind)
	}
	return flushDone, nil
}

func (s *Session) writeHistory(sub *subscription, h History) (outcome, error) {
	b, t := getBatch(), tally{}
	defer putBatch(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || !slices.Contains(s.subs, sub) || h.Publications[0].Offset <= sub.cursor.Load() {
		return flushDone, nil // it left meanwhile, or began anew
	}
	f := s.batchFormat()
	b.begin(f, s.cut, s.out)
	b.add(f, sub.ch, sub, h.Publications)
	o, err := s.write(b, &t, nil)
	t.addTo(&s.hub.stats)
	return o, err
}

// read reads the log after the subscription's cursor. Where that is one of presence
// events, which are not kept, one event stands for all of them.
func (s *Session) read(sub *subscription, limit int) (History, error) {
	if sub.ch.feed != nil {
		return History{Publications: []*Publication{sub.ch.feed.stateEvent()}}, nil
	}
	return s.hub.read(s.hub.ctx, forCatchUp, sub.ch.name, Position{sub.ch.epoch, sub.cursor.Load()}, limit)
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
