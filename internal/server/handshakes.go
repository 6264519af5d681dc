package server

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/internal/limit"
	"github.com/boreas-pubsub/boreas/internal/peer"
	"github.com/boreas-pubsub/boreas/ws"
)

// unlimitedHandshakes is how many connections beyond max_connections may be open
// where descriptors have no limit.
const unlimitedHandshakes = 1024

// handshakeRoom is how many connections to the WebSocket port may be open that are
// no sessions, beyond what max_connections leaves: half of the descriptors that are
// kept for what is no session. The other half stays the API's.
func handshakeRoom() int {
	limit, limited := descriptorLimit()
	if !limited {
		return unlimitedHandshakes
	}
	return (limit - sessionsFor(limit)) / 2
}

const (
	// peerShare is the part of the room for handshakes that one address may have: one of
	// so many. Whoever opens connections and sends nothing leaves room for others.
	peerShare = 4

	// minPeerHandshakes is how many it may have at least: a house full of people may be
	// behind one address, who all come back at once.
	minPeerHandshakes = 16
)

// handshakes counts the connections to the WebSocket port that are no sessions, and closes
// at once those that are too many: max_connections bounds sessions only, and whoever
// connects and sends nothing, or comes back at once when refused, would take the
// descriptors that the API needs. Sessions that share a connection of HTTP/2 are no
// connections; the one that they share never becomes a session's.
type handshakes struct {
	sessions       func() int // that have a connection of their own
	maxConnections int        // 0 is no bound
	room           int
	crowded        *atomic.Uint64

	limits  *limit.Limits // says who is bounded, and who counts as one
	proxies peer.Proxies  // are not bounded: each of their clients has a connection
	limited *limit.Meter
	log     func(network netip.Prefix, refused uint64)
	start   time.Time

	pending atomic.Int64
	mu      sync.Mutex
	byPeer  map[netip.Prefix]int
}

func (s *Server) newHandshakes(maxConnections, room int, count *ws.Counters) *handshakes {
	return &handshakes{
		sessions: s.connected, maxConnections: maxConnections, room: room, crowded: &count.Crowded,
		limits: s.limits, proxies: s.cfg.Trusted(), limited: &s.crowding, start: time.Now(), byPeer: make(map[netip.Prefix]int),
		log: func(network netip.Prefix, refused uint64) {
			s.log.Warn("an address opens connections and does not ask for anything", "client", network.String(), "refused", refused)
		},
	}
}

// state is for [http.Server.ConnState]. It must not wait: what accepts connections calls it.
func (h *handshakes) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		n := int(h.pending.Add(1)) + h.sessions()
		switch {
		case !h.add(c, 1):
			c.Close() // net/http sees it and reports it closed
		case h.maxConnections > 0 && n > h.maxConnections+h.room:
			h.crowded.Add(1)
			c.Close()
		}
	case http.StateHijacked, http.StateClosed:
		h.pending.Add(-1)
		h.add(c, -1)
	}
}

// add counts a connection that comes or goes. It returns false if its peer has too many.
func (h *handshakes) add(c net.Conn, n int) bool {
	address := peer.Direct(c)
	network, bounded := h.limits.Network(address)
	if !bounded || h.proxies.Trust(address) {
		return true
	}
	h.mu.Lock()
	has := h.byPeer[network] + n
	if has == 0 {
		delete(h.byPeer, network)
	} else {
		h.byPeer[network] = has
	}
	h.mu.Unlock()
	if n < 0 || has <= max(h.room/peerShare, minPeerHandshakes) {
		return true
	}
	if refused := h.limited.Add(time.Since(h.start)); refused > 0 {
		h.log(network, refused)
	}
	return false
}
