package limit

import (
	"sync/atomic"
	"time"
)

// burst is how many seconds' worth a full bucket holds. A client that connects sends its
// token, its joins and what it has to say at once; and after a network that stood still
// for a moment, all that was sent meanwhile comes together. Two seconds let that pass.
// More would say that the bound is not one for a second.
const burst = 2 * time.Second

// A bucket holds what a client may do now; it is full as zero. It is one number, when it
// will be full again, which makes taking from it one atomic operation: the generic cell
// rate algorithm (ITU-T I.371). [rate.Limiter] needs ten times the memory, and a lock.
type bucket struct {
	full atomic.Int64 // nanoseconds since the start of the Limits
}

// A pace is how fast a bucket fills. The zero pace is no bound.
type pace struct {
	perSecond int64
}

// cost is how long the bucket takes to fill up again after n.
func (p pace) cost(n int64) int64 {
	const second = int64(time.Second)
	if n <= maxExact {
		return min(n*second/p.perSecond, maxCost)
	}
	// What no int64 can be must not become one: it would fill the bucket.
	return int64(min(float64(n)*float64(second)/float64(p.perSecond), maxCost))
}

const (
	// maxExact is the most that can be multiplied by a second's nanoseconds.
	maxExact = 1 << 33

	// maxCost and maxDebt are for ever, and can be added.
	maxCost = 1 << 60
	maxDebt = 1 << 61
)

// take takes n out of the bucket, or returns how long to wait. What is more than the
// bucket ever holds needs a full one, and leaves a debt: a bound must not make something
// impossible that another option allows, such as a great message.
func (b *bucket) take(p pace, n, now int64) (wait time.Duration) {
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

// owe takes n out of the bucket, whatever there is in it.
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

// owed returns how long the bucket needs until something can be taken from it.
func (b *bucket) owed(now int64) time.Duration {
	return time.Duration(b.full.Load()-now) - burst
}

// giveBack puts back what was taken for something that is not done after all.
func (b *bucket) giveBack(p pace, n int64) {
	if p.perSecond != 0 && n > 0 {
		b.full.Add(-p.cost(n))
	}
}
