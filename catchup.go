package boreas

import (
	"errors"
	"os"
	"time"

	"github.com/boreas-pubsub/boreas/engine"
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
)

// startCatchingUp gives the session a goroutine of its own, until it has caught up.
// The caller holds s.mu.
func (s *Session) startCatchingUp() {
	s.catchingUp = true
	s.hub.stats.blocked.Add(1)
	s.hub.goroutines.Go(s.catchUp)
}

// catchUp writes the session's pending bytes and publications, and waits for its socket. It reads
// the engine's log if the channel's window does not reach back far enough.
func (s *Session) catchUp() {
	defer s.hub.stats.blocked.Add(-1)
	var c catchUp
	for {
		o, err := s.catchUpOnce()
		if o == flushLagging {
			o, err = c.read(s)
		}
		switch o {
		case flushIdle:
			return
		case flushBlocked:
			err = s.awaitWritable()
		case flushWaiting:
			c.await(s)
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

// catchUpOnce flushes, and ends catching up when there is nothing left to write.
func (s *Session) catchUpOnce() (outcome, error) {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return flushIdle, nil
	}
	o, err := s.flushOnce()
	if o == flushReset {
		s.endNow(ErrLogReset)
		return flushDone, nil // the next round writes the last words
	}
	if o != flushIdle {
		s.mu.Unlock()
		return o, err
	}
	s.catchingUp = false
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
	if s.notices() != nil {
		return nil // it will be told, once it reads again
	}
	for _, sub := range s.laggards() {
		if _, err := s.readLog(sub, engine.Limit{}); lost(err) {
			s.End(ErrSlow)
			return nil
		}
	}
	return nil
}
