package load

import (
	"math/bits"
	"time"
)

// A histogram counts times in buckets whose width grows with the time. There are 64 buckets for
// each doubling, so the error of a percentile is at most 1/64. It is not safe for concurrent use.
type histogram struct {
	counts [buckets]uint64
	total  uint64
	max    time.Duration
}

const (
	subBits = 6
	sub     = 1 << subBits
	buckets = (64 - subBits) * sub
)

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < sub {
		return int(v)
	}
	exponent := bits.Len64(v) - subBits - 1
	return exponent*sub + int(v>>exponent)
}

// upper returns the longest time in a bucket.
func upper(b int) time.Duration {
	if b < sub {
		return time.Duration(b)
	}
	exponent := b/sub - 1
	return time.Duration((uint64(b%sub+sub)+1)<<exponent - 1)
}

func (h *histogram) record(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// percentile returns the time that the given share of all times did not exceed. It returns 0 if
// there are no times.
func (h *histogram) percentile(share float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := max(uint64(share*float64(h.total)+0.5), 1)
	var seen uint64
	for b, n := range h.counts {
		if seen += n; seen >= rank {
			return min(upper(b), h.max)
		}
	}
	return h.max
}
