package channellog

import "github.com/boreas-pubsub/boreas/v2/internal/clock"

// A Store keeps the publications of one log outside of memory. The log keeps copies of the newest
// publications in memory besides. All methods are called with the log locked, and do not wait.
type Store interface {
	// Len returns the number of kept publications.
	Len() int

	// Size returns the number of bytes of data of the kept publication i, where 0 is the oldest.
	Size(i int) int64

	// Accepted returns when the kept publication i was accepted, or an earlier moment that is near.
	Accepted(i int) clock.Mono

	// Append adds a publication. Place is the value that was passed to [Table.Commit].
	Append(offset, place uint64)

	// Drop drops the n oldest publications, and returns the new floor of the log.
	Drop(n int) (floor uint64)
}

// StoredOverhead is the cost in bytes of memory of a publication that only a store keeps: a word of
// its index, which grows by an eighth.
const StoredOverhead = 9

// len returns the number of kept publications. The caller holds mu.
func (l *Log) len() int {
	if l.store != nil {
		return l.store.Len()
	}
	return l.newest.len()
}

// stored returns how many of the kept publications have no copy in memory. They are the oldest. The
// caller holds mu.
func (l *Log) stored() int {
	if l.store != nil {
		return l.store.Len() - l.newest.len()
	}
	return 0
}

// size returns the number of bytes of data of the kept publication i. The caller holds mu.
func (l *Log) size(i int) int64 {
	if n := l.stored(); i >= n {
		return int64(len(l.newest.live()[i-n].Data))
	}
	return l.store.Size(i)
}

// accepted returns when the kept publication i was accepted. The caller holds mu.
func (l *Log) accepted(i int) clock.Mono {
	if n := l.stored(); i >= n {
		return l.newest.times()[i-n]
	}
	return l.store.Accepted(i)
}
