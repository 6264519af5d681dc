package sse

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/fault"
	"github.com/boreas-pubsub/boreas/internal/credential"
	"github.com/boreas-pubsub/boreas/limit"
	"github.com/boreas-pubsub/boreas/refusal"
)

// Path is where the handler is to be found (clause 10.1).
const Path = "/v2/events"

// Options are a handler's settings. Check is required unless NoAuth is set; all else
// works as zero.
type Options struct {
	// Check returns what a client's token gives. Its errors are faults. It may be
	// called by many goroutines at once.
	Check func(access.Credentials) (*access.Grant, error)

	// Cookie is the name of a cookie that may hold a token; "" means that cookies are not
	// looked at. AllowOrigin must not let everybody in then.
	Cookie string

	// AuthHeaders are the names of the headers of a request that Check gets.
	AuthHeaders []string

	// NoAuth lets everybody in, under a name that is made up, and ignores tokens.
	NoAuth bool

	// AllowOrigin returns the value of Access-Control-Allow-Origin for pages of an
	// origin, and whether they may read at all. Nil means that all may.
	AllowOrigin func(origin string) (header string, ok bool)

	// Heartbeat is how often a stream carries something at least, as it is told: the
	// hub's PingInterval. 0 means never.
	Heartbeat time.Duration

	// PeerTimeout is how long a peer may take to acknowledge what it was sent, before
	// its connection is given up. It finds peers that have vanished: they never
	// answer anything, and the system accepts bytes for them for a quarter of an
	// hour. 0 leaves it at that. Only Linux can do it, to sockets.
	PeerTimeout time.Duration

	// Limits bound how often a client may try. Nil means no bounds.
	Limits *limit.Limits

	// Refusals remembers what clients were refused. Nil means that nobody does.
	Refusals *refusal.Log

	// Log gets what fails and is no client's fault. Nil means nothing.
	Log *slog.Logger

	// Counters, if not nil, counts what the handler refuses.
	Counters *Counters
}

// Counters count what a handler refused, since its start.
type Counters struct {
	Malformed       atomic.Uint64 // requests that are not what the protocol asks for
	Unauthenticated atomic.Uint64 // requests without a valid token
	Origins         atomic.Uint64 // requests from pages that may not connect
	Full            atomic.Uint64 // requests refused for lack of room, over a request limit, or on shutdown
	NotJoined       atomic.Uint64 // requests without a channel that could be joined
	Panics          atomic.Uint64 // streams that ended because of a panic
}

type handler struct {
	hub     *boreas.Hub
	checker credential.Checker
	options Options
	count   *Counters
}

// Handler returns a handler that answers each GET request with a stream of events of a
// session of the hub, and preflight requests of browsers. What it refuses gets the
// error's status and a body of JSON (clause 10.10). It holds no goroutines but those of
// streams, which end with the hub's sessions.
func Handler(hub *boreas.Hub, o Options) http.Handler {
	if o.AllowOrigin == nil {
		o.AllowOrigin = func(string) (string, bool) { return "*", true }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	checker := credential.Checker{Check: o.Check, Cookie: o.Cookie, Headers: o.AuthHeaders, Limits: o.Limits}
	h := &handler{hub: hub, checker: checker, options: o, count: o.Counters}
	if h.count == nil {
		h.count = new(Counters)
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.allowOrigin(w.Header(), r.Header.Get("Origin")) {
		h.refuse(w, r, &h.count.Origins, fault.OriginNotAllowed)
		return
	}
	if credential.Embedded(r) {
		// This check comes before anything is counted for the visitor of the page.
		h.refuse(w, r, &h.count.Origins, errEmbedded)
		return
	}
	switch r.Method {
	case http.MethodGet:
	case http.MethodOptions:
		preflight(w, r)
		return
	default:
		w.Header().Set("Allow", "GET, OPTIONS")
		h.refuse(w, r, &h.count.Malformed, fault.MethodNotAllowed)
		return
	}
	q, err := parseRequest(r)
	q.shown, _ = h.checker.Credentials(r, true)
	if err != nil {
		h.refuse(w, r, &h.count.Malformed, err)
		return
	}
	// Reserve comes before the check of the token, which may take long. When many clients
	// reconnect at once, those without room are refused quickly.
	sess, err := h.hub.Reserve(q.shown.Address)
	if err != nil {
		h.refuse(w, r, &h.count.Full, err)
		return
	}
	started := false
	defer func() {
		if !started { // even if Check panics
			sess.Done()
		}
	}()
	grant, err := h.check(&q)
	if err != nil {
		h.refuse(w, r, &h.count.Unauthenticated, err)
		return
	}
	if err := h.checker.Request(q.shown.Address, h.checker.User(grant), len(q.joins), 0); err != nil {
		h.refuse(w, r, &h.count.Full, err)
		return
	}
	started = true
	s := stream{h: h, sess: sess, request: q, grant: grant}
	if nc, rw, err := http.NewResponseController(w).Hijack(); err == nil {
		s.overSocket(nc, rw, w.Header())
		return
	}
	s.overResponse(w, r)
}

var errEmbedded = fault.OriginNotAllowed.With("A page of another site embeds or links this address (Sec-Fetch-Site). Use an EventSource, or enter the address by hand.")

// check returns the grant of the request's token. With NoAuth, it returns a grant with a random
// name.
func (h *handler) check(q *request) (*access.Grant, error) {
	if h.options.NoAuth {
		name := rand.Text()
		return &access.Grant{Identity: name, TokenID: name, Kind: "none", User: name}, nil
	}
	return h.checker.Grant(q.shown)
}
