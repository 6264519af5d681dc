package channellog

import "github.com/boreas-pubsub/boreas/v2/engine"

// EvictedCause is the reason why a publication was dropped.
type EvictedCause int

// The causes.
const (
	EvictedAge    EvictedCause = iota // older than the channel's limit
	EvictedBounds                     // over the channel's number of messages or bytes
	EvictedMemory                     // over the table's ceiling
	EvictedDisk                       // over the store's ceiling
	EvictedPurge                      // see engine.Purger
	evictedCauses
)

// Stats returns the table's statistics.
func (t *Table) Stats() engine.Stats {
	s := engine.Stats{
		Channels: t.logs.Load(), Followed: t.followed.Load(), Publications: t.kept.Load(), Keys: t.keys.Load(), Bytes: t.used.Load(),
		EvictedAge: t.evicted[EvictedAge].Load(), EvictedBounds: t.evicted[EvictedBounds].Load(),
		EvictedMemory: t.evicted[EvictedMemory].Load(), EvictedDisk: t.evicted[EvictedDisk].Load(),
		EvictedPurge: t.evicted[EvictedPurge].Load(),
	}
	s.Evicted = s.EvictedAge + s.EvictedBounds + s.EvictedMemory + s.EvictedDisk + s.EvictedPurge
	return s
}

// ForgetEvictions sets the counters of dropped publications to zero.
func (t *Table) ForgetEvictions() {
	for i := range t.evicted {
		t.evicted[i].Store(0)
	}
}
