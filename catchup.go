package boreas

import (
	"errors"
	"os"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// stallCheck is how often the hub checks whether the log has moved past the cursor of a session
	// whose connection accepts nothing.
	stallCheck = time.Second

	// endTimeout is how long the final bytes of an ended session may wait for the connection.
	endTimeout = 5 * time.Second

	// catchUpLimit is the number of publications that are read at once for a session that has
	// fallen behind its channel's window.
	catchUpLimit = 256
)

// startCatchingUp starts a goroutine that writes to the session until it has caught up. The caller
// holds s.mu.
func (s *Session) startCatchingUp() {
	s.catchingUp = true
	s.hub.stats.blocked.Add(1)
	s.hub.goroutines.Go(s.catchUp)
}

// catchUp writes the session's pending bytes and publications, and waits for the connection. It
// reads the engine's log if the channel's window does not reach back far enough.
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

// awaitWritable waits until the session's connection accepts bytes. It does not try to write before
// that, because each attempt would encode and copy the waiting bytes. If it returns an error, the
// session must be finished.
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

// catchUpOnce flushes, and ends the catching up when nothing is left to write.
func (s *Session) catchUpOnce() (outcome, error) {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return flushIdle, nil
	}
	o, err := s.flushOnce()
	if o == flushReset {
		s.endNow(ErrLogReset)
		return flushDone, nil // the next round writes the final bytes
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

// stalled checks a session whose connection has accepted nothing for a while. If it returns an
// error, the session must be finished at once.
func (s *Session) stalled() error {
	s.mu.Lock()
	ending, late := s.ending, clock.Now().Sub(s.endedAt) > endTimeout
	s.mu.Unlock()
	if ending {
		if late {
			return os.ErrDeadlineExceeded
		}
		return nil
	}
	if s.notices() != nil {
		return nil // it receives a gap once it reads again
	}
	for _, sub := range s.laggards() {
		if _, err := s.readLog(sub, engine.Limit{}); lost(err) {
			s.End(ErrSlow)
			return nil
		}
	}
	return nil
}
