package auth

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// maxFailures is how many failures in a row break the circuit.
	maxFailures = 5

	// minBreak is how long the first break lasts, and maxBreak the longest.
	minBreak = time.Second
	maxBreak = 30 * time.Second
)

// A circuit stops requests to a backend that does not answer. During a break all requests fail at
// once. After the break, one request is let through as a probe. Only an unreachable backend breaks
// the circuit. A token may cause other failures, such as a status of 500 or an invalid answer: if they
// counted, any client could break the circuit for all. Such failures only affect ready. The zero value
// is closed: it lets all requests through.
type circuit struct {
	mu       sync.Mutex // guards the following fields
	failures int        // to reach the backend, in a row
	breaks   int        // in a row
	until    time.Time  // when the break ends; zero if there is none
	probing  bool       // the probe is running
	epoch    int        // increases at the beginning and end of each break
	bad      int        // failures of any kind, in a row
	lastBad  time.Time
	err      error // the last failure
}

// ask reports whether a request may be sent. If so, the caller must call done with the epoch.
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

// broken reports whether ask would return false. It changes nothing.
func (c *circuit) broken(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.until.IsZero() && (now.Before(c.until) || c.probing)
}

// done records the outcome of a request. Only an unreachable error counts toward a break. Any other
// error concerns that request alone.
func (c *circuit) done(epoch int, now time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	away := errors.As(err, new(unreachable))
	if away && epoch != c.epoch {
		return // the request was sent before the break, which has counted its failure
	}
	c.bad++
	c.lastBad, c.err = now, err
	if err == nil {
		c.bad, c.lastBad = 0, time.Time{}
	}
	if !away { // the backend has answered, so it is reachable
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

// ready returns nil, or why the backend cannot be asked. Some time after the last failure it returns
// nil again: otherwise a load balancer that follows it would send no clients, and nothing would ever
// ask the backend.
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

// unreachable is an error of a backend that cannot be reached.
type unreachable struct{ error }
