package memory

import "github.com/boreas-pubsub/boreas/engine"

// evictedCause is the reason why a publication was dropped.
type evictedCause int

const (
	evictedAge evictedCause = iota
	evictedBounds
	evictedMemory
	evictedCauses
)

// Stats returns the engine's statistics.
func (m *Engine) Stats() engine.Stats {
	s := engine.Stats{
		Channels: m.logs.Load(), Followed: m.followed.Load(), Publications: m.kept.Load(), Keys: m.keys.Load(), Bytes: m.used.Load(),
		EvictedAge: m.evicted[evictedAge].Load(), EvictedBounds: m.evicted[evictedBounds].Load(), EvictedMemory: m.evicted[evictedMemory].Load(),
	}
	s.Evicted = s.EvictedAge + s.EvictedBounds + s.EvictedMemory
	return s
}
