package client

import (
	"math/rand/v2"
	"time"
)

// The numbers of clause 8.4, which all clients share.
const (
	// goodAfter is how long a connection must last after its joins were answered to count as good.
	goodAfter = time.Second

	// While nothing answers, the bound stays at soonMax for soonFor: a server that restarts is
	// mostly back within that time.
	soonMax = 4 * time.Second
	soonFor = time.Minute

	// laterDoublings is the minimum number of times that the bound has doubled after a close code
	// that means "later".
	laterDoublings = 3
)

// A backoff computes the wait before the next attempt to connect: a random time between zero and a
// bound that doubles with each failure ("full jitter"). The jitter spreads the reconnects of all
// subscribers after a server has restarted. It is not safe for concurrent use.
type backoff struct {
	base, max time.Duration
	random    func(limit time.Duration) time.Duration

	failures  int       // since the last good connection
	doublings int       // of the bound
	began     time.Time // time of the first failure
}

// good records that a connection was good: earlier failures no longer count.
func (b *backoff) good() { b.failures, b.doublings = 0, 0 }

// next returns the wait after a failure. Unanswered means that no server answered.
func (b *backoff) next(unanswered bool) time.Duration {
	if b.failures == 0 {
		b.began = time.Now()
	}
	b.failures++
	limit := b.max
	if unanswered && time.Since(b.began) < soonFor {
		limit = min(limit, max(soonMax, b.base))
	}
	bound := b.base << b.doublings
	if bound >= limit || bound>>b.doublings != b.base {
		return b.random(limit)
	}
	b.doublings++
	return b.random(bound)
}

// upTo returns a random time from 0 up to the limit.
func upTo(limit time.Duration) time.Duration { return rand.N(limit + 1) }
