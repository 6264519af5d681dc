package server

import (
	"net"
	"net/http"
	"sync/atomic"

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

// boundHandshakes closes connections to the WebSocket port at once when too many are
// open: max_connections bounds sessions only, and whoever connects and sends nothing,
// or comes back at once when refused, would take the descriptors that the API needs.
// Sessions that share a connection of HTTP/2 are no connections; the one that they share
// never becomes a session's.
func (s *Server) boundHandshakes(maxConnections, room int, count *ws.Counters) func(net.Conn, http.ConnState) {
	var pending atomic.Int64 // connections that have not become a session's
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			n := int(pending.Add(1)) + max(0, s.hub.Sessions()-int(s.sharing.Load()))
			if maxConnections > 0 && n > maxConnections+room {
				count.Crowded.Add(1)
				c.Close() // net/http sees it and reports it closed
			}
		case http.StateHijacked, http.StateClosed:
			pending.Add(-1)
		}
	}
}
