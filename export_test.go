package boreas

import (
	"testing/synctest"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// Deauthenticate takes the session's grant away, whatever it is.
func (s *Session) Deauthenticate() { s.revoke(func(*access.Grant) bool { return true }, ErrRevoked) }

// Deauthenticate revokes the sessions of an identity.
func (h *Hub) Deauthenticate(identity string) int {
	return h.RevokeSessions(func(g *access.Grant) bool { return g.Identity == identity }, 0)
}

// ChannelsHeld returns the number of channels with at least one reference.
func ChannelsHeld(h *Hub) (n int) {
	h.channels.each(func(*channel) { n++ })
	return n
}

// Shares reports whether the session receives the same bytes as others on the channel. Otherwise it
// receives its own bytes, without the publications that it published and does not want back.
func (s *Session) Shares(channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.find(channel).silent()
}

// PresencesHeld returns the number of channels with presence that are kept.
func PresencesHeld(h *Hub) (n int) {
	for i := range h.channels.shards {
		n += len(h.channels.presences(i))
	}
	return n
}

// SetPlaces pretends that the node has that many places.
func SetPlaces(n *OtherNode, places int) { n.node.digest.Places = places }

// EncodingsHeld returns the memory of the publications and encodings in the hub's cache.
func EncodingsHeld(h *Hub) (n int) {
	for i := range h.encodings.shards {
		s := &h.encodings.shards[i]
		for _, generation := range []map[encodingKey]*encoding{s.young, s.old} {
			for _, e := range generation {
				n += e.size
			}
		}
	}
	return n
}

// Scattered reports whether the sweepers take publications for scattered.
func Scattered(h *Hub) bool { return h.queue.scattered.Load() }

// WritesAfter returns how many writes since the last poll a sweeper counts when it has taken a group
// from the queue. Before that it counts n. If waits is set, the queue is empty until the sweeper
// waits. It is used inside a synctest bubble.
func WritesAfter(n int, waits bool) int {
	h := new(Hub)
	h.queue.init()
	w := newSweeper(h)
	w.writes = n
	if waits {
		go func() {
			synctest.Wait()
			h.queue.push(new(group))
		}()
	} else {
		h.queue.push(new(group))
	}
	w.next()
	return w.writes
}
