package sse

import (
	"cmp"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
	"github.com/boreas-pubsub/boreas/v2/limit"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// Path is the path of the handler (clause 10.1).
const Path = "/v2/events"

// Options are the settings of a handler. Check is required unless NoAuth is set: without both,
// [Handler] panics. The zero values of all other fields work.
type Options struct {
	// Check returns the grant of a client's token. It may be called by many goroutines at once. To
	// refuse a client, it returns an error of package fault, such as [fault.InvalidToken] or
	// fault.NotPermitted.With("The account is locked."), whose code, status and message the client
	// receives. The handler logs any other error, and the client receives [fault.Internal].
	Check func(access.Credentials) (*access.Grant, error)

	// Cookie is the name of a cookie that may hold a token; "" means that cookies are ignored. If
	// it is set, AllowOrigin must not allow every origin.
	Cookie string

	// AuthHeaders are the names of the request's headers that are passed to Check.
	AuthHeaders []string

	// NoAuth lets every client connect, under a random name, and ignores tokens.
	NoAuth bool

	// AllowOrigin returns the value of Access-Control-Allow-Origin for pages of an origin, and
	// whether these pages may connect. Nil means that all may.
	AllowOrigin func(origin string) (header string, ok bool)

	// NoCompression sends all streams uncompressed. Otherwise a stream of one channel is compressed
	// with gzip if the client accepts it.
	NoCompression bool

	// CompressionMin is the size in bytes from which the event of a message is compressed. 0 means
	// [DefaultCompressionMin].
	CompressionMin int

	// Heartbeat is the longest silence of the server that clients are told to expect. It must be
	// the hub's PingInterval. 0 means that there are no heartbeats.
	Heartbeat time.Duration

	// PeerTimeout is how long a client may take to acknowledge sent bytes before its connection is
	// closed. It detects clients that have vanished: such a client never answers, and otherwise the
	// system accepts bytes for it for a quarter of an hour. 0 means no timeout. It works only on
	// Linux, and only for sockets.
	PeerTimeout time.Duration

	// Limits are the limits of each client's rates. Nil means no limits.
	Limits *limit.Limits

	// Refusals records the refusals. Nil means that they are not recorded.
	Refusals *refusal.Log

	// Log receives failures that no client caused. Nil means no log.
	Log *slog.Logger

	// Counters, if not nil, counts the refusals of the handler.
	Counters *Counters
}

// DefaultCompressionMin is the default of Options.CompressionMin.
const DefaultCompressionMin = 128

// Counters count the requests that a handler refused, and the bytes that it compressed, since its
// start.
type Counters struct {
	Malformed       atomic.Uint64 // requests that the protocol does not allow
	Unauthenticated atomic.Uint64 // requests without a valid token
	Origins         atomic.Uint64 // requests from pages that may not connect
	Full            atomic.Uint64 // requests refused because the server was full, over a request limit, or shutting down
	NotJoined       atomic.Uint64 // requests without a channel that could be joined
	Panics          atomic.Uint64 // streams that ended because of a panic

	CompressedFrom atomic.Uint64 // bytes of messages before compression; each encoding counts once
	CompressedTo   atomic.Uint64 // the same after compression
}

type handler struct {
	hub     *boreas.Hub
	checker credential.Checker
	options Options
	count   *Counters

	compression *compression // nil if streams are not compressed
}

// Handler returns a handler that answers each GET request with a stream of the events of a session
// of the hub. It also answers preflight requests of browsers. It refuses a request with the error's
// status and a body of JSON (clause 10.10). Only streams hold goroutines, and they end with the
// hub's sessions.
func Handler(hub *boreas.Hub, o Options) http.Handler {
	if o.Check == nil && !o.NoAuth {
		panic("sse: Options.Check is nil: set it to a function that checks tokens, or set NoAuth to let every client connect")
	}
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
	if !o.NoCompression {
		h.compression = &compression{cmp.Or(o.CompressionMin, DefaultCompressionMin), h.count}
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.allowOrigin(w.Header(), r.Header.Get("Origin")) {
		h.refuse(w, r, &h.count.Origins, fault.OriginNotAllowed)
		return
	}
	if credential.Embedded(r) {
		// This check comes before anything counts toward the limits of the page's visitor.
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
	s := stream{h: h, sess: sess, request: q, grant: grant, compressed: h.compresses(r, &q)}
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
