package boreas

// EngineStats describes the data that an engine holds at this moment, and counts the data that
// it has dropped so far.
type EngineStats struct {
	Channels     int64 // logs that keep something, or did within the last hour
	Followed     int64 // channels that are followed and keep nothing; not among Channels
	Publications int64 // kept
	Keys         int64 // idempotency keys remembered
	Bytes        int64 // kept, overhead included as an estimate

	// Evicted counts the publications that were dropped, for whatever cause. Each
	// was dropped for one cause, so that the three counters below it add up to it.
	Evicted       uint64
	EvictedAge    uint64 // older than their channel keeps them
	EvictedBounds uint64 // more messages or bytes than their channel keeps
	EvictedMemory uint64 // the oldest of all, when all together took too much memory
}

// evictedCause is why a publication was dropped.
type evictedCause int

const (
	evictedAge evictedCause = iota
	evictedBounds
	evictedMemory
	evictedCauses
)

// Stats returns the engine's statistics.
func (m *Memory) Stats() EngineStats {
	s := EngineStats{
		Channels: m.logs.Load(), Followed: m.followed.Load(), Publications: m.kept.Load(), Keys: m.keys.Load(), Bytes: m.used.Load(),
		EvictedAge: m.evicted[evictedAge].Load(), EvictedBounds: m.evicted[evictedBounds].Load(), EvictedMemory: m.evicted[evictedMemory].Load(),
	}
	s.Evicted = s.EvictedAge + s.EvictedBounds + s.EvictedMemory
	return s
}
