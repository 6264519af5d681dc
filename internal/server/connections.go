package server

import (
	"container/list"
	"context"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/door"
	"github.com/boreas-pubsub/boreas/v2/internal/peer"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

const (
	// answeredShare is the part of the room that is reserved for connections that are refused with
	// an error response, as a divisor. It is also that part of an address's share. Further
	// connections are closed without a response.
	answeredShare = 8

	// minPeer is the lowest limit of connections for one address. It is not lower because many people
	// may share an address and reconnect at once.
	minPeer = 16

	// idleGrace is how long a connection must have been idle before it is closed to make room for
	// another.
	idleGrace = 50 * time.Millisecond
)

// connections counts and limits the connections of a port that have no session. There is a limit
// for all peers together, so that neither port takes the other's descriptors, and one for each
// peer. If there is no room for a new connection, the connection that has been idle for the longest
// time is closed. If none is idle, the new connection is refused.
type connections struct {
	// Immutable.
	connectionsOptions
	start time.Time

	// Safe for concurrent use.
	evicted  atomic.Uint64 // closed to make room
	crowding limit.Meter   // refused because of their address
	full     limit.Meter   // refused for lack of room

	mu sync.Mutex

	// Guarded by mu.
	open   int
	peers  map[netip.Prefix]*crowd // by network; only peers with a limit
	all    crowd                   // its number is not used
	byConn map[net.Conn]*connection
}

type connectionsOptions struct {
	// room returns how many connections there may be at present. nil means any number.
	room func() int

	// reserve is how many of them may be refused with an error response.
	reserve int

	// share is how many of them one address may have. 1/answeredShare of these may be refused with
	// an error response.
	share int

	// silentGrace is how long a connection may take to send its first request before it is
	// closed to make room for another.
	silentGrace time.Duration

	limits  *limit.Limits // which addresses are limited, and which count as one
	proxies peer.Proxies  // not limited, because each of their clients has a connection
	log     func(message, client string, refused uint64)
}

// crowd is a set of connections, with two lists of those that may be closed to make room. The
// connection that has waited for the longest time is first. It is guarded by connections.mu.
type crowd struct {
	number       int
	idle, silent list.List // of *connection
}

// connection is a connection without a session, or without one yet.
type connection struct {
	// Immutable after begin.
	conn    net.Conn
	network netip.Prefix // of its peer, if the peer is limited
	peer    *crowd       // likewise; nil if the peer is not limited
	refusal error        // the response to its requests; nil if they are served

	// Guarded by connections.mu.
	waiting bool
	idle    bool          // it has sent a request
	since   time.Duration // when it began to wait
	inAll   *list.Element
	inPeer  *list.Element
}

func newConnections(o connectionsOptions) *connections {
	return &connections{connectionsOptions: o, start: time.Now(), peers: make(map[netip.Prefix]*crowd), byConn: make(map[net.Conn]*connection)}
}

// watch makes h report its connections to cs.
func (cs *connections) watch(h *http.Server) {
	h.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		begun := door.Begun(c)
		if begun == nil {
			return cs.beginContext(ctx, c)
		}
		return door.Context(context.WithValue(ctx, connectionKey{}, begun.Value(connectionKey{})), c)
	}
	h.ConnState = cs.state
}

// behindDoor returns a listener that serves plain handshakes for h, whose connections cs watches.
func (cs *connections) behindDoor(l net.Listener, h *http.Server) net.Listener {
	o := door.Options{
		Handler:       h.Handler,
		HeaderTimeout: h.ReadHeaderTimeout,
		Begin: func(c net.Conn) (context.Context, bool) {
			ctx := cs.beginContext(context.Background(), c)
			return ctx, ctx.Value(connectionKey{}).(*connection).refusal == nil
		},
		Active: cs.activate,
		End:    func(c net.Conn) { cs.state(c, http.StateHijacked) },
	}
	h.Handler = door.Replay(h.Handler)
	return door.Listen(l, o)
}

// beginContext counts a new connection and returns the context for its requests.
func (cs *connections) beginContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, cs.begin(c))
}

type connectionKey struct{}

// refusedConnection returns the error for all requests of a refused connection. It returns nil if
// the connection is not refused.
func refusedConnection(r *http.Request) error {
	if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
		return c.refusal
	}
	return nil
}

// begin counts a new connection. It must not wait, because the goroutine that accepts
// connections calls it.
func (cs *connections) begin(conn net.Conn) *connection {
	c := &connection{conn: conn}
	address := peer.Direct(conn)
	network, bounded := cs.limits.Network(address)
	bounded = bounded && !cs.proxies.Trust(address)
	room := math.MaxInt
	if cs.room != nil {
		room = cs.room()
	}

	cs.mu.Lock()
	var closed []*connection
	if bounded {
		c.network, c.peer = network, cs.peers[network]
		if c.peer == nil {
			c.peer = new(crowd)
			cs.peers[network] = c.peer
		}
	}
	now := time.Since(cs.start)
	crowded := c.peer != nil && cs.makeRoom(c.peer, now, cs.share-cs.share/answeredShare, &closed, func() int { return c.peer.number })
	if !crowded {
		cs.makeRoom(&cs.all, now, room-cs.reserve, &closed, func() int { return cs.open })
	}
	full := cs.open >= room-cs.reserve
	closeIt := cs.open >= room || crowded && c.peer.number >= cs.share
	cs.open++
	if c.peer != nil {
		c.peer.number++
	}
	cs.byConn[conn] = c
	switch {
	case crowded:
		c.refusal = fault.TooManyConnections.With("Your address has reached its limit of connections to this port.")
	case full:
		c.refusal = fault.Overloaded.With("This port of the server has reached its limit of connections.")
	}
	if closeIt {
		cs.remove(c)
		closed = append(closed, c)
	} else {
		cs.wait(c, now, false)
	}
	cs.mu.Unlock()

	for _, victim := range closed {
		hangUp(victim.conn)
		if victim != c {
			cs.evicted.Add(1)
		}
	}
	switch {
	case crowded:
		if n := cs.crowding.Add(); n > 0 {
			cs.log("an address has reached its limit of connections", network.String(), n)
		}
	case full:
		if n := cs.full.Add(); n > 0 {
			cs.log("a port has reached its limit of connections", address.String(), n)
		}
	}
	return c
}

// makeRoom removes waiting connections from the crowd until there is room for one more, and adds
// them to removed. It returns true if too few connections wait. The caller holds mu.
func (cs *connections) makeRoom(of *crowd, now time.Duration, most int, removed *[]*connection, number func() int) (full bool) {
	for number() >= most {
		victim := of.waitsLongest(now, cs.silentGrace)
		if victim == nil {
			return true
		}
		cs.remove(victim)
		*removed = append(*removed, victim)
	}
	return false
}

// state implements [http.Server.ConnState].
func (cs *connections) state(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return // begin has counted it
	}
	if c, ok := conn.(*apiConn); ok && state == http.StateIdle {
		c.unwatched = false // net/http reads nothing at this time
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byConn[conn]
	if c == nil {
		return // it was closed to make room
	}
	switch state {
	case http.StateActive:
		cs.stopWaiting(c)
	case http.StateIdle:
		cs.wait(c, time.Since(cs.start), true)
	case http.StateHijacked, http.StateClosed:
		cs.remove(c)
	}
}

// activate is state for a connection whose request is about to be handled. It returns false if the
// connection was closed to make room.
func (cs *connections) activate(conn net.Conn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byConn[conn]
	if c != nil {
		cs.stopWaiting(c)
	}
	return c != nil
}

// wait adds c to the connections that may be closed to make room. The caller holds mu, here and
// for all functions below.
func (cs *connections) wait(c *connection, now time.Duration, idle bool) {
	cs.stopWaiting(c)
	c.waiting, c.idle, c.since = true, idle, now
	c.inAll = cs.all.queue(idle).PushBack(c)
	if c.peer != nil {
		c.inPeer = c.peer.queue(idle).PushBack(c)
	}
}

func (cs *connections) stopWaiting(c *connection) {
	if !c.waiting {
		return
	}
	c.waiting = false
	cs.all.queue(c.idle).Remove(c.inAll)
	if c.peer != nil {
		c.peer.queue(c.idle).Remove(c.inPeer)
	}
}

// remove forgets a connection.
func (cs *connections) remove(c *connection) {
	cs.stopWaiting(c)
	delete(cs.byConn, c.conn)
	cs.open--
	if c.peer == nil {
		return
	}
	if c.peer.number--; c.peer.number == 0 {
		delete(cs.peers, c.network)
	}
}

// number returns how many connections there are.
func (cs *connections) number() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.open
}

func (c *crowd) queue(idle bool) *list.List {
	if idle {
		return &c.idle
	}
	return &c.silent
}

// waitsLongest returns the connection to close first to make room, or nil if none has waited
// long enough.
func (c *crowd) waitsLongest(now, silentGrace time.Duration) *connection {
	for _, idle := range []bool{true, false} {
		grace := silentGrace
		if idle {
			grace = idleGrace
		}
		if front := c.queue(idle).Front(); front != nil {
			if first := front.Value.(*connection); now-first.since >= grace {
				return first
			}
		}
	}
	return nil
}

// hangUp closes the connection at once. It closes the socket directly, because closing the TLS
// connection would wait for a peer that does not read.
func hangUp(c net.Conn) { peer.Innermost(c).Close() }
