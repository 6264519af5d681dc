package limit

import "time"

// A Rate limits how often something happens in a second, no matter which client causes it. Its
// methods may be called by many goroutines at once.
type Rate struct {
	pace   pace
	start  time.Time
	bucket bucket
}

// NewRate returns a Rate that allows perSecond events in a second, and as many at once after a
// second without any. If perSecond is 0 it allows everything.
func NewRate(perSecond int) *Rate {
	return &Rate{pace: pace{int64(perSecond)}, start: time.Now()}
}

// Allow reports whether one more event may happen now, and counts it if so.
func (r *Rate) Allow() bool {
	return r.bucket.takeOf(time.Second, r.pace, 1, int64(time.Since(r.start))) == 0
}
