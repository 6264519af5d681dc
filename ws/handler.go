package ws

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas"
)

// Options are a handler's settings. Check is required unless NoAuth is set; all
// else works as zero.
type Options struct {
	// Check tells whether a client may authenticate with the token, and how others
	// know who shows it. It may be called by many goroutines at once.
	Check func(token string) (user string, ok bool)

	// NoAuth authenticates each connection from its start, under a name that
	// is made up for it, and ignores tokens.
	NoAuth bool

	// MaxMessage is how many bytes a message from a client may have, all its
	// fragments together. 0 means [DefaultMaxMessage].
	MaxMessage int

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

// path is where the classic WebSocket is.
const path = "/"

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
}

type handler struct {
	hub     *boreas.Hub
	options Options
	count   *Counters
	workers workers
}

// Handler returns a handler that upgrades each request to a WebSocket of a session
// of the hub. It refuses what is no WebSocket handshake with 400, 405 or 426 and a
// sentence, any path but / with 404, and with 503 and Retry-After when the hub has no
// room; and it closes the connection then. It holds no goroutines but those of open
// connections, which end with the hub's sessions.
func Handler(hub *boreas.Hub, o Options) http.Handler {
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
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
	h := &handler{hub: hub, options: o, count: o.Counters}
	if h.count == nil {
		h.count = new(Counters)
	}
	// Enough that all processors are busy while some workers wait for an engine.
	h.workers.init(4 * runtime.GOMAXPROCS(0))
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != path {
		h.count.Handshakes.Add(1)
		(&refusal{http.StatusNotFound, [2]string{}, "There is no WebSocket at this path: it is at /."}).write(w)
		return
	}
	accept, refusal := checkHandshake(r)
	if refusal != nil {
		h.count.Handshakes.Add(1)
		refusal.write(w)
		return
	}
	sess, err := h.hub.Reserve()
	if err != nil {
		h.count.Full.Add(1)
		hangUp(w)
		w.Header().Set("Retry-After", strconv.Itoa(max(int(h.options.RetryAfter.Seconds()), 1)))
		http.Error(w, unavailable(err), http.StatusServiceUnavailable)
		return
	}
	c := &conn{h: h, sess: sess}
	if !c.upgrade(w, accept, r.Header.Get("Sec-WebSocket-Protocol")) {
		sess.Done()
	}
}

func unavailable(err error) string {
	if errors.Is(err, boreas.ErrShuttingDown) {
		return "The server is shutting down. Connect again after the seconds that Retry-After gives."
	}
	return "The server has as many connections as it may (max_connections). Connect again after the seconds that Retry-After gives."
}
