package client

import (
	"math/rand/v2"
	"time"
)

// backoff tells how long to wait before the next attempt to connect: anything
// from nothing to a bound that doubles with each failure ("full jitter"), so that
// the subscribers of a server that went away do not all come back at once.
type backoff struct {
	base, max time.Duration
	stable    time.Duration // a connection that lived this long was a good one
	failures  int           // attempts and short-lived connections in a row
	random    func(limit time.Duration) time.Duration
}

// next returns the wait, at least atLeast, after a connection that lived for
// lived; 0 if there was none.
func (b *backoff) next(lived, atLeast time.Duration) time.Duration {
	if lived >= b.stable {
		b.failures = 0
	}
	limit := b.max
	// Past 62 doublings the bound would no longer be a number.
	if b.failures < 62 && b.base<<b.failures < b.max && b.base<<b.failures>>b.failures == b.base {
		limit = b.base << b.failures
	}
	b.failures++
	return max(b.random(limit), min(atLeast, b.max))
}

// upTo returns a random time from 0 up to the limit.
func upTo(limit time.Duration) time.Duration { return rand.N(limit + 1) }
