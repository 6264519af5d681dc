package ws

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
	"github.com/boreas-pubsub/boreas/v2/internal/socket"
	"github.com/boreas-pubsub/boreas/v2/limit"
	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// Options are the settings of a handler. Check is required unless NoAuth is set: without both, the
// functions that make a handler panic. The zero values of all other fields work.
type Options struct {
	// Check returns the grant of a client's token. It may be called by many goroutines at once. To
	// refuse a client, it returns an error of package fault, such as [fault.InvalidToken] or
	// fault.NotPermitted.With("The account is locked."), whose code, status and message the client
	// receives. The handler logs any other error, and the client receives [fault.Internal].
	Check func(access.Credentials) (*access.Grant, error)

	// Cookie is the name of a cookie that may hold a token; "" means that cookies are ignored. If
	// it is set, a check of the origin in front of the handler must refuse pages that may not
	// connect.
	Cookie string

	// AuthHeaders are the names of the handshake's headers that are passed to Check.
	AuthHeaders []string

	// NoAuth authenticates each connection from its start, under a random name, and ignores tokens.
	NoAuth bool

	// MaxMessage is the maximum size of a client's message in bytes, with all its fragments. 0
	// means [DefaultMaxMessage].
	MaxMessage int

	// Heartbeat is the longest silence of the server that clients are told to expect. It must be
	// the hub's PingInterval. 0 means that there are no heartbeats.
	Heartbeat time.Duration

	// MaxChannels is the maximum number of channels of a session, as reported to clients. It must
	// be the hub's limit. 0 means [boreas.DefaultMaxChannels].
	MaxChannels int

	// NoCompression declines offers of permessage-deflate (RFC 7692). Otherwise the server compresses
	// publications for clients that offer it, and accepts compressed messages from them.
	NoCompression bool

	// CompressionMin is the size in bytes from which a publication's message is compressed. 0 means
	// [DefaultCompressionMin].
	CompressionMin int

	// CloseTimeout is how long a connection stays open for the client's answer to a close frame. 0
	// means [DefaultCloseTimeout].
	CloseTimeout time.Duration

	// RetryAfter is how long a client must wait that is refused because the server is full. 0 means
	// [DefaultRetryAfter].
	RetryAfter time.Duration

	// Limits are the limits of each client's rates. Nil means no limits.
	Limits *limit.Limits

	// Refusals records the refusals. Nil means that they are not recorded.
	Refusals *refusal.Log

	// Log receives failures that no client caused. Nil means no log.
	Log *slog.Logger

	// Counters, if not nil, counts the refusals of the handler.
	Counters *Counters
}

// Defaults of [Options].
const (
	DefaultMaxMessage     = 64 << 10
	DefaultCompressionMin = 128
	DefaultCloseTimeout   = 5 * time.Second
	DefaultRetryAfter     = 5 * time.Second
)

// Counters count the requests and messages that a handler refused or ignored, and the bytes that it
// compressed and decompressed, since its start.
type Counters struct {
	Handshakes       atomic.Uint64 // requests that were not a valid WebSocket handshake
	Full             atomic.Uint64 // handshakes refused because the server was full or shutting down
	ProtocolErrors   atomic.Uint64 // connections closed with 1002
	InvalidText      atomic.Uint64 // connections closed with 1007
	TooBig           atomic.Uint64 // connections closed with 1009
	Flooding         atomic.Uint64 // connections closed because they sent too many frames
	IgnoredMessages  atomic.Uint64 // classic messages without a known request
	IgnoredNames     atomic.Uint64 // invalid channel names in classic joins and leaves
	IgnoredTokens    atomic.Uint64 // invalid tokens on the classic wire
	IgnoredAnonymous atomic.Uint64 // joins and leaves of anonymous classic connections
	Malformed        atomic.Uint64 // invalid messages of protocol 2
	RefusedTokens    atomic.Uint64 // invalid tokens of protocol 2
	Panics           atomic.Uint64 // sessions that ended because their request panicked

	CompressedFrom atomic.Uint64 // bytes of publications before compression; each encoding counts once
	CompressedTo   atomic.Uint64 // the same after compression
	InflatedFrom   atomic.Uint64 // bytes of clients' messages before decompression
	InflatedTo     atomic.Uint64 // the same after decompression
}

type handler struct {
	dialect dialect
	hub     *boreas.Hub
	checker credential.Checker
	options Options
	count   *Counters
	formats *formats
	workers workers
	start   time.Time

	// engineWaits reports whether requests that call the engine may wait.
	engineWaits bool
}

// Classic returns a handler that upgrades each request to a WebSocket with a session of the hub,
// which speaks the classic wire. It refuses a request that is not a WebSocket handshake with 400,
// 405 or 426 and a sentence, and any path except / with 404. If the hub is full, it answers with
// 503 and Retry-After. After a refusal it closes the connection. Only open connections hold
// goroutines, which end with the hub's sessions.
func Classic(hub *boreas.Hub, o Options) http.Handler { return newHandler(hub, o, classicDialect{}) }

// Handler is like [Classic], for WebSockets of protocol 2 at the path /v2.
func Handler(hub *boreas.Hub, o Options) http.Handler { return newHandler(hub, o, v2Dialect{}) }

func newHandler(hub *boreas.Hub, o Options, d dialect) *handler {
	if o.Check == nil && !o.NoAuth {
		panic("ws: Options.Check is nil: set it to a function that checks tokens, or set NoAuth to let every client connect")
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxChannels == 0 {
		o.MaxChannels = boreas.DefaultMaxChannels
	}
	if o.CompressionMin == 0 {
		o.CompressionMin = DefaultCompressionMin
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
	checker := credential.Checker{Check: o.Check, Cookie: o.Cookie, Headers: o.AuthHeaders, Limits: o.Limits}
	h := &handler{dialect: d, hub: hub, checker: checker, options: o, count: o.Counters, start: time.Now(), engineWaits: hub.EngineWaits()}
	if h.count == nil {
		h.count = new(Counters)
	}
	h.formats = newFormats(d, o.CompressionMin, h.count)
	// So many that all processors are busy while some workers wait for an engine.
	h.workers.init(4 * runtime.GOMAXPROCS(0))
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI == "*" {
		h.count.Handshakes.Add(1)
		hangUp(w, r)
		h.dialect.refuse(w, fault.Malformed.With("The target * is only for OPTIONS: the WebSocket is at /v2, and the classic one at /."))
		return
	}
	if pathOf(r) != h.dialect.path() {
		h.count.Handshakes.Add(1)
		hangUp(w, r)
		h.dialect.refuse(w, fault.NotFound.With("There is no WebSocket at this path: the WebSocket is at /v2, and the classic one at /."))
		return
	}
	accept, err := checkHandshake(r, w.Header())
	if err != nil {
		h.count.Handshakes.Add(1)
		hangUp(w, r)
		h.dialect.refuse(w, err)
		return
	}
	shown, fromCookie := h.checker.Credentials(r, h.dialect.bearer())
	if h.options.NoAuth {
		shown.Token = ""
	}
	sess, err := h.hub.Reserve(shown.Address)
	if err != nil {
		h.count.Full.Add(1)
		h.refuse(w, r, shown, noRoom(err, h.options.RetryAfter))
		return
	}
	upgraded := false
	defer func() {
		if !upgraded { // even if Check panics
			sess.Done()
		}
	}()
	var grant *access.Grant
	if shown.Token != "" {
		// Check the token before the handshake is answered, because only now can a refusal have a
		// status.
		if t, ok := w.(socket.Taker); ok {
			shown.Slow = t.Slow
		}
		grant, err = h.checker.Grant(shown)
		if err != nil && !(fromCookie && credential.IsBadToken(err)) {
			h.count.RefusedTokens.Add(1)
			h.refuse(w, r, shown, err)
			return
		}
	}
	c := &conn{h: h, sess: sess, header: shown.Header}
	answer := answer{accept: accept, protocol: firstProtocol(r.Header["Sec-Websocket-Protocol"])}
	var agreed compression
	if !h.options.NoCompression {
		answer.extension, agreed = negotiate(r.Header["Sec-Websocket-Extensions"])
	}
	c.clientBits = agreed.clientBits
	upgraded = c.upgrade(w, &answer, agreed, grant)
}

// pathOf returns the path of the request's target. An absolute target without one, such
// as ws://example.com?x=y, means the root (RFC 9112, section 3.2.1).
func pathOf(r *http.Request) string {
	if r.URL.Path == "" {
		return "/"
	}
	return r.URL.Path
}

// refuse answers a valid handshake that does not become a session.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, shown access.Credentials, err error) {
	h.options.Refusals.Note(err, refusal.Entry{Transport: h.dialect.name(), Verb: "connect"}, shown.Address, nil)
	if fault.Of(err) == fault.Internal {
		h.options.Log.Error("a handshake failed", "error", err)
	}
	hangUp(w, r)
	fault.SetRetryAfter(w.Header(), err)
	if fault.Of(err).Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	h.dialect.refuse(w, err)
}

// noRoom returns the error for a client for which the server has no room.
func noRoom(err error, wait time.Duration) error {
	switch {
	case errors.Is(err, boreas.ErrTooManyAddressSessions):
		return fault.TooManyConnections.After("This address has reached its limit of connections (address_connections). Reconnect after the number of seconds in Retry-After.", wait)
	case errors.Is(err, boreas.ErrShuttingDown):
		return fault.Overloaded.After("The server is shutting down. Reconnect after the number of seconds in Retry-After.", wait)
	}
	return fault.Overloaded.After("The server has reached its limit of connections (max_connections). Reconnect after the number of seconds in Retry-After.", wait)
}
