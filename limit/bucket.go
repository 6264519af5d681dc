package limit

import (
	"sync/atomic"
	"time"
)

// burst is the time in which an empty bucket fills. A client that connects sends its token, its
// joins and its first messages at once. After a network outage, everything that was sent meanwhile
// arrives together. Two seconds allow both. A longer burst would contradict a limit per second.
const burst = 2 * time.Second

// A bucket holds how much a client may do now. The zero bucket is full. It uses the generic cell
// rate algorithm (ITU-T I.371): its only state is the time when it will be full again, so one
// atomic operation takes from it. golang.org/x/time/rate needs ten times the memory, and a lock.
type bucket struct {
	full atomic.Int64 // nanoseconds since the start of the Limits
}

// A pace is how fast a bucket fills. The zero pace means no limit.
type pace struct {
	perSecond int64
}

// cost returns how long the bucket takes to refill after n has been taken.
func (p pace) cost(n int64) int64 {
	const second = int64(time.Second)
	if n <= maxExact {
		return min(n*second/p.perSecond, maxCost)
	}
	// An int64 would overflow: a negative cost would fill the bucket.
	return int64(min(float64(n)*float64(second)/float64(p.perSecond), maxCost))
}

const (
	// maxExact bounds the n whose product with a second's nanoseconds is computed exactly.
	maxExact = 1 << 33

	// maxCost and maxDebt mean forever. Both are small enough to be added to a time.
	maxCost = 1 << 60
	maxDebt = 1 << 61
)

// take takes n from the bucket, or returns how long to wait.
func (b *bucket) take(p pace, n, now int64) (wait time.Duration) { return b.takeOf(burst, p, n, now) }

// takeOf is take for a bucket that fills in the time burst. If n is more than the bucket ever
// holds, the bucket must be full, and it goes into debt. The reason is that a rate limit must not
// forbid a message size that another option allows.
func (b *bucket) takeOf(burst time.Duration, p pace, n, now int64) (wait time.Duration) {
	if p.perSecond == 0 || n <= 0 {
		return 0
	}
	cost := p.cost(n)
	for {
		old := b.full.Load()
		full := max(old, now)
		if after := full + min(cost, int64(burst)) - now; after > int64(burst) {
			return time.Duration(after) - burst
		}
		if b.full.CompareAndSwap(old, full+cost) {
			return 0
		}
	}
}

// owe takes n from the bucket, even if the bucket does not hold that much.
func (b *bucket) owe(p pace, n, now int64) {
	if p.perSecond == 0 || n <= 0 {
		return
	}
	for {
		old := b.full.Load()
		if b.full.CompareAndSwap(old, min(max(old, now)+p.cost(n), maxDebt)) {
			return
		}
	}
}

// owed returns how long it takes until the bucket is no longer in debt.
func (b *bucket) owed(now int64) time.Duration {
	return time.Duration(b.full.Load()-now) - burst
}

// forgive ends the bucket's debt. The bucket is empty then.
func (b *bucket) forgive(now int64) {
	for old := b.full.Load(); old > now+int64(burst); old = b.full.Load() {
		if b.full.CompareAndSwap(old, now+int64(burst)) {
			return
		}
	}
}

// giveBack returns n to the bucket after a request that was refused for another reason.
func (b *bucket) giveBack(p pace, n int64) {
	if p.perSecond != 0 && n > 0 {
		b.full.Add(-p.cost(n))
	}
}
