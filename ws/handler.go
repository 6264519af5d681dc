package ws

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas"
)

// Options are a handler's settings. Check is required unless NoAuth is set; all
// else works as zero.
type Options struct {
	// Check returns what a client's token gives. Its errors are faults. It may be
	// called by many goroutines at once.
	Check func(boreas.Credentials) (*boreas.Grant, error)

	// NoAuth authenticates each connection from its start, under a name that
	// is made up for it, and ignores tokens.
	NoAuth bool

	// MaxMessage is how many bytes a message from a client may have, all its
	// fragments together. 0 means [DefaultMaxMessage].
	MaxMessage int

	// Heartbeat is how often a session hears something at least, as it is told: the
	// hub's PingInterval. 0 means never.
	Heartbeat time.Duration

	// MaxChannels is how many channels a session may join, as it is told: the hub's
	// bound. 0 means [boreas.DefaultMaxChannels].
	MaxChannels int

	// CloseTimeout is how long a connection is kept open for the client's
	// answer to a close frame. 0 means [DefaultCloseTimeout].
	CloseTimeout time.Duration

	// RetryAfter is what a client that is refused for want of room is told to
	// wait. 0 means [DefaultRetryAfter].
	RetryAfter time.Duration

	// Log gets what fails and is no client's fault. Nil means nothing.
	Log *slog.Logger

	// Counters, if not nil, counts what the handler refuses.
	Counters *Counters
}

// Defaults of [Options].
const (
	DefaultMaxMessage   = 64 << 10
	DefaultCloseTimeout = 5 * time.Second
	DefaultRetryAfter   = 5 * time.Second
)

// Counters count what a handler refused or ignored, since its start.
type Counters struct {
	Handshakes       atomic.Uint64 // that were no valid WebSocket handshake
	Full             atomic.Uint64 // handshakes refused for want of room, or on shutdown
	Crowded          atomic.Uint64 // connections closed before their handshake, too many at once
	ProtocolErrors   atomic.Uint64 // connections closed with 1002
	InvalidText      atomic.Uint64 // connections closed with 1007
	TooBig           atomic.Uint64 // connections closed with 1009
	IgnoredMessages  atomic.Uint64 // messages that asked for nothing we know
	IgnoredNames     atomic.Uint64 // entries of join and leave that are no channel names
	IgnoredTokens    atomic.Uint64 // tokens that are not valid
	IgnoredAnonymous atomic.Uint64 // joins and leaves of anonymous connections
	Malformed        atomic.Uint64 // messages of protocol 2 that are no requests
	RefusedTokens    atomic.Uint64 // tokens that are not valid, of protocol 2
}

type handler struct {
	dialect dialect
	hub     *boreas.Hub
	options Options
	count   *Counters
	workers workers
}

// Classic returns a handler that upgrades each request to a WebSocket of a session
// of the hub, which speaks the classic wire. It refuses what is no WebSocket handshake
// with 400, 405 or 426 and a sentence, any path but / with 404, and with 503 and
// Retry-After when the hub has no room; and it closes the connection then. It holds no
// goroutines but those of open connections, which end with the hub's sessions.
func Classic(hub *boreas.Hub, o Options) http.Handler { return newHandler(hub, o, classic{}) }

// Handler is like [Classic] for protocol 2, whose path is /v2.
func Handler(hub *boreas.Hub, o Options) http.Handler { return newHandler(hub, o, protocol2{}) }

func newHandler(hub *boreas.Hub, o Options, d dialect) *handler {
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxChannels == 0 {
		o.MaxChannels = boreas.DefaultMaxChannels
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = DefaultCloseTimeout
	}
	if o.RetryAfter == 0 {
		o.RetryAfter = DefaultRetryAfter
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{dialect: d, hub: hub, options: o, count: o.Counters}
	if h.count == nil {
		h.count = new(Counters)
	}
	// Enough that all processors are busy while some workers wait for an engine.
	h.workers.init(4 * runtime.GOMAXPROCS(0))
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != h.dialect.path() {
		h.count.Handshakes.Add(1)
		(&refusal{http.StatusNotFound, [2]string{}, "There is no WebSocket at this path: it is at /v2, and the classic one at /."}).write(w, r, h.dialect)
		return
	}
	accept, refused := checkHandshake(r)
	if refused != nil {
		h.count.Handshakes.Add(1)
		refused.write(w, r, h.dialect)
		return
	}
	address := addressOf(r)
	sess, err := h.hub.Reserve(address)
	if err != nil {
		h.count.Full.Add(1)
		after := strconv.Itoa(max(int(h.options.RetryAfter.Seconds()), 1))
		(&refusal{http.StatusServiceUnavailable, [2]string{"Retry-After", after}, unavailable(err)}).write(w, r, h.dialect)
		return
	}
	c := &conn{h: h, sess: sess}
	if !c.upgrade(w, accept, r.Header.Get("Sec-WebSocket-Protocol")) {
		sess.Done()
	}
}

// addressOf returns the address of the request's client, as the server has found it out.
func addressOf(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap()
}

func unavailable(err error) string {
	if errors.Is(err, boreas.ErrShuttingDown) {
		return "The server is shutting down. Connect again after the seconds that Retry-After gives."
	}
	return "The server has as many connections as it may (max_connections). Connect again after the seconds that Retry-After gives."
}
