package auth

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// maxFailures in a row break the circuit.
	maxFailures = 5

	// minBreak and maxBreak are how long it is broken: the first time, and at most.
	minBreak = time.Second
	maxBreak = 30 * time.Second
)

// A circuit keeps from asking a backend that does not answer: questions fail at once for a
// while, then one is asked for all. It counts only what says that the backend is out of
// reach. What a token could bring about (a 500, an answer without sense) would let
// anybody break it for all; that is seen by ready alone. The zero value is closed.
type circuit struct {
	mu       sync.Mutex
	failures int       // in a row
	breaks   int       // in a row
	until    time.Time // when the break ends; zero if there is none
	probing  bool      // the one question is asked
	epoch    int       // grows with each break and each end of one
	bad      int       // of any kind, in a row
	lastBad  time.Time
	err      error // the last
}

// ask tells whether a question may be asked. If so, done must be told how it went, with the
// epoch.
func (c *circuit) ask(now time.Time) (epoch int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.until.IsZero():
		return c.epoch, true
	case now.Before(c.until) || c.probing:
		return 0, false
	}
	c.probing = true
	return c.epoch, true
}

// broken tells whether ask would say no. It changes nothing.
func (c *circuit) broken(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.until.IsZero() && (now.Before(c.until) || c.probing)
}

// done notes how a question went: nil, an error that concerns it alone, or one that is
// unreachable.
func (c *circuit) done(epoch int, now time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	away := errors.As(err, new(unreachable))
	if away && epoch != c.epoch {
		return // it was asked before the break, which has counted it
	}
	c.bad++
	c.lastBad, c.err = now, err
	if err == nil {
		c.bad, c.lastBad = 0, time.Time{}
	}
	if !away { // it has answered, so it is there
		if !c.until.IsZero() {
			c.epoch++
		}
		c.failures, c.breaks, c.until, c.probing = 0, 0, time.Time{}, false
		return
	}
	c.probing = false
	c.failures++
	if c.failures >= maxFailures {
		c.until = now.Add(min(minBreak<<min(c.breaks, 10), maxBreak))
		c.breaks++
		c.epoch++
	}
}

// ready returns nil, or why the backend cannot be asked. It is nil again when nobody has
// asked for a while: a load balancer that looks here must let somebody come and try.
func (c *circuit) ready(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case now.Before(c.until):
		return fmt.Errorf("it did not answer %d times in a row, and the server asks again in %v: %w",
			c.failures, c.until.Sub(now).Round(time.Millisecond), c.err)
	case c.bad >= maxFailures && now.Sub(c.lastBad) < maxBreak:
		return fmt.Errorf("it gave %d invalid answers in a row: %w", c.bad, c.err)
	}
	return nil
}

// unreachable is an error that says that the backend is out of reach.
type unreachable struct{ error }
