package boreas

import (
	"hash/maphash"
	"maps"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/internal/listing"
)

// channelShards is the number of parts of the map of channels. Each part has its own lock, so that
// publishers and joins on different channels seldom wait for each other. A walk over all channels
// locks one part at a time.
const channelShards = 64

// channelMap has the hub's channels by name: those with at least one reference.
type channelMap struct {
	seed   maphash.Seed
	shards [channelShards]channelShard
}

type channelShard struct {
	mu        sync.RWMutex // guards the fields below
	byName    map[string]*channel
	presences map[string]*presence // of channels in byName, and of channels with sessions of other nodes
	names     listing.Index        // of byName

	// Maximum of the lengths of the two maps so far: Go's maps do not shrink.
	most, mostPresences int
}

func (m *channelMap) init() {
	m.seed = maphash.MakeSeed()
	for i := range m.shards {
		m.shards[i].byName, m.shards[i].presences = make(map[string]*channel), make(map[string]*presence)
	}
}

func (m *channelMap) shard(name string) *channelShard {
	return &m.shards[m.shardIndex(name)]
}

func (m *channelMap) shardIndex(name string) int {
	return int(maphash.String(m.seed, name) % channelShards)
}

// find returns the channel, or nil if there is no reference to it.
func (m *channelMap) find(name string) *channel {
	s := m.shard(name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byName[name]
}

// acquire returns the channel with one more reference. If the channel does not exist, acquire
// creates it, and the caller must open it and call opened. While a goroutine opens it, wait is not
// nil; it is closed when the opening has ended.
func (m *channelMap) acquire(name string, create func(name string) *channel) (ch *channel, created bool, wait chan struct{}) {
	s := m.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch = s.byName[name]
	if ch == nil {
		ch, created = create(name), true
		ch.opening = make(chan struct{})
		s.byName[ch.name] = ch
		s.names.Add(ch.name)
		s.most = max(s.most, len(s.byName))
	}
	ch.refs++
	return ch, created, ch.opening
}

// again adds a reference to a channel to which the caller already has one.
func (m *channelMap) again(ch *channel) {
	s := m.shard(ch.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch.refs++
}

// opened ends the opening of a channel and wakes the goroutines that wait for it. If the opening
// has failed, opened first removes the channel, so that a later acquire creates another one, even
// if references to this one still exist.
func (m *channelMap) opened(ch *channel) {
	s := m.shard(ch.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch.err != nil {
		s.remove(ch)
	}
	close(ch.opening)
	ch.opening = nil
}

// release releases a reference. It reports whether it was the last one; then the channel cannot be
// acquired any more. It reports also whether the channel's presence is over; then the caller must close it.
func (m *channelMap) release(ch *channel) (last, over bool) {
	s := m.shard(ch.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch.refs--
	if ch.refs > 0 {
		return false, false
	}
	s.remove(ch)
	if ch.presence != nil {
		ch.presence.channels--
	}
	return true, s.drop(ch.presence)
}

// remove removes the channel unless another one has taken its place. The caller holds mu.
func (s *channelShard) remove(ch *channel) {
	if s.byName[ch.name] != ch {
		return
	}
	delete(s.byName, ch.name)
	s.names.Remove(ch.name)
	if s.most > 64 && len(s.byName) < s.most/4 {
		s.byName, s.most = maps.Collect(maps.All(s.byName)), len(s.byName)
	}
}

// each calls visit for each channel, with the lock of one shard held for reading. Visit must be
// fast and must not call the map.
func (m *channelMap) each(visit func(*channel)) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		for _, ch := range s.byName {
			visit(ch)
		}
		s.mu.RUnlock()
	}
}

// list selects channels that have subscribers. It locks one shard at a time.
func (m *channelMap) list(p *listing.NamePage) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		s.names.Each(p.Prefix, p.After, func(name string) bool {
			if !p.Wants(name) {
				return false // and neither are later names
			}
			if s.byName[name].subscribers() > 0 { // 0 if only a lost session lingers, or a join is under way
				p.Add(name)
			}
			return true
		})
		s.mu.RUnlock()
	}
}
