package boreas

import (
	"maps"
	"slices"
	"strings"
)

// The presences are in the map of channels, because a presence is needed as long as its channel. It
// is needed longer than that if sessions of other nodes are on the channel.

// findPresence returns the presence of a channel, or nil.
func (m *channelMap) findPresence(name string) *presence {
	s := m.shard(name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.presences[name]
}

// presence returns the presence of a channel, for a change of another node. If there is none it
// creates one, or returns nil.
func (h *Hub) presence(name string, create bool) *presence {
	if p := h.channels.findPresence(name); p != nil || !create {
		return p
	}
	s := h.channels.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.presences[name]; p != nil {
		return p
	}
	return s.newPresence(h, strings.Clone(name), h.Rule(name).Presence)
}

// newPresence creates the presence of a channel. The caller holds mu.
func (s *channelShard) newPresence(h *Hub, name string, mode PresenceMode) *presence {
	if mode == PresenceOff {
		mode = PresenceCount // nobody sees it, but another node may have other rules, and compares digests
	}
	p := newPresence(&h.queue, name, presenceOptions{
		mode: mode, maxUsers: h.options.PresenceUsers, linger: h.options.PresenceLinger, room: &h.room,
		outbox: h.options.PresenceChanged, tail: h.options.Tail, idle: h.channels.dropPresence,
	})
	h.room.add(presenceCost)
	s.presences[name] = p
	s.mostPresences = max(s.mostPresences, len(s.presences))
	return p
}

// use returns the presence of a channel that this hub begins to use; release ends that. The caller
// holds mu.
func (s *channelShard) use(h *Hub, ch *channel) *presence {
	p := s.presences[ch.name]
	if p == nil {
		p = s.newPresence(h, ch.name, ch.rule.Load().Presence)
	}
	p.channels++
	return p
}

// drop ends a presence that is not needed any more. It reports whether it did; then the caller must
// close it after unlocking mu. The caller holds mu.
func (s *channelShard) drop(p *presence) bool {
	if p == nil || p.channels > 0 || s.presences[p.events.name] != p || !p.retire() {
		return false
	}
	delete(s.presences, p.events.name)
	if s.mostPresences > 64 && len(s.presences) < s.mostPresences/4 {
		s.presences, s.mostPresences = maps.Collect(maps.All(s.presences)), len(s.presences)
	}
	p.who.room.add(-presenceCost)
	return true
}

// dropPresence ends a presence if it is not needed any more.
func (m *channelMap) dropPresence(p *presence) {
	s := m.shard(p.events.name)
	s.mu.Lock()
	over := s.drop(p)
	s.mu.Unlock()
	if over {
		p.close()
	}
}

// presences returns the presences of a shard.
func (m *channelMap) presences(shard int) []*presence {
	s := &m.shards[shard]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.presences))
}
