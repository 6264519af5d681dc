// Package api serves the HTTP API: the classic one of Boreas 1.0 (2013), and what
// an operator asks for.
//
//	POST   /token/                 makes a token
//	GET    /token/                 the tokens with an authenticated session
//	DELETE /token/{token}          revokes a token
//	GET    /{channel}/token/       the tokens of the sessions on a channel
//	POST   /broadcast/{channel}/   publishes to a channel
//	GET    /debug/token-dump       every valid token (with Options.Debug)
//	GET    /debug/recipient-dump   how many sessions there are, and where (the same)
//	GET    /healthz                200 while the process lives
//	GET    /readyz                 200, or 503 and the reason
//	GET    /metrics                for Prometheus; metrics.go lists them
//	GET    /openapi.json           all of it, as OpenAPI 3.1
//
//	POST   /v2/channels/{channel}/messages   publishes the body
//	GET    /v2/channels/{channel}/messages   history
//	POST   /v2/messages                      publishes many messages
//	GET    /v2/channels                      the channels
//	GET    /v2/channels/{channel}            one of them
//	GET    /v2/channels/{channel}/presence   who is there
//	GET    /v2/sessions                      the live sessions
//	GET    /v2/sessions/{session}            one of them
//	DELETE /v2/sessions/{session}            ends it
//	GET    /v2/stats                         the hub's counters
//	GET    /v2/refusals                      what was refused lately, and why
//
//	POST   /v2/tokens            makes a token, with a user, rules and an end
//	GET    /v2/tokens            the tokens
//	GET    /v2/tokens/{id}       one of them
//	PATCH  /v2/tokens/{id}       changes it, and what its sessions may do
//	DELETE /v2/tokens/{id}       deletes it, and ends its sessions
//	POST   /v2/tokens/inspect    what a token may do, and by which rule
//	POST   /v2/revocations       takes tokens back
//	GET    /v2/revocations       whether something was taken back
//	DELETE /v2/revocations       undoes that
//	POST   /v2/keys              makes a key of the API
//	GET    /v2/keys              the keys
//	DELETE /v2/keys/{id}         takes one back, and the tokens that it made
//
// # Who may call it
//
// What is about the server's health is open to all, and so is openapi.json. All else
// needs a key with the verb that stands in routes.go, as the header Authorization has it;
// or, on three routes below /v2/channels/ and for many messages at once, a subscriber's
// token. Until the first key is made, the API may be open: see Options.Loopback.
//
// A slash at the end is part of a path: without it the answer is 404, not a
// redirect. A known path with another method gets 405. HEAD works where GET does.
//
// # Channels in paths
//
// A channel's name is one percent-encoded segment of the path, so "a/b" is a%2Fb.
// Every name works, also those that are words in paths. The two routes that take
// a channel meet in one path only, /broadcast/token/, and there the method tells
// them apart: POST publishes to the channel "token", GET lists the tokens on the
// channel "broadcast". Likewise GET /token/token/, GET /debug/token/ and
// GET /v2/token/ ask for the channels "token", "debug" and "v2". What is no channel name gets 400. Many clients
// resolve the segments "." and "..", however written, before they send a path:
// a channel of that name can be published to only by a client that does not.
//
// # Errors
//
// Where the classic API or this package refuses a request, the body says why:
// {"errors": ["..."]}. Below /v2/ it is the error object of protocol 2, {"error": {...}},
// which package fault has the table of.
package api

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/auth"
	"github.com/boreas-pubsub/boreas/internal/limit"
	"github.com/boreas-pubsub/boreas/internal/refusal"
)

// Options are the settings of [Handler]. All but Authority may be left out.
type Options struct {
	// Authority checks keys, tokens and permissions. It is required.
	Authority *auth.Authority

	// Refusals records each refusal with its client, and /v2/refusals shows them. Nil means that
	// none are recorded.
	Refusals *refusal.Log

	// Loopback means that only this machine can reach the API. Until the first key is created, such
	// an API accepts requests without a key if they name this machine ("localhost", a loopback
	// address, or one of Hosts). It refuses requests with a header of a proxy, because a proxy
	// would forward requests of other machines.
	Loopback bool

	// Insecure opens it in the same way to every machine that can reach it. Without Loopback or
	// Insecure it is closed until there is a key.
	Insecure bool

	// Hosts are further names of this machine under which the API can be requested. A name without
	// a port matches any port.
	Hosts []string

	// Limits bound what one key or user may do a second, and how often an address may
	// try. Nil means no bounds.
	Limits *limit.Limits

	// Debug serves the two debug dumps, which show every token.
	Debug bool

	// MaxBody is the largest body of a request, in bytes; a larger one gets
	// 413. 0 means [DefaultMaxBody].
	MaxBody int64

	// BodyTimeout is how long the body of a request may take to come in once
	// its header has; a slower one gets 408. 0 means [DefaultBodyTimeout].
	BodyTimeout time.Duration

	// Ready tells why the server should get no traffic now, or nil. Nil means
	// that it always should.
	Ready func() error

	// Registry is what /metrics shows; Handler adds the hub's, its own and the
	// process's metrics. Nil means a new one. Give each Handler its own.
	Registry *prometheus.Registry

	// Log gets what fails here and is no fault of the request's. Nil means nothing.
	Log *slog.Logger
}

// Defaults of [Options].
const (
	DefaultMaxBody     = 1 << 20
	DefaultBodyTimeout = 10 * time.Second
)

// Handler serves the API of a hub.
func Handler(hub *boreas.Hub, o Options) http.Handler {
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.BodyTimeout == 0 {
		o.BodyTimeout = DefaultBodyTimeout
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &service{hub: hub, options: o}
	t := s.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(t, w, r) })
}

// service is what the handlers share. But for the counters nothing of it changes.
type service struct {
	hub     *boreas.Hub
	options Options
	counts  counts

	// origin refuses what a browser sends for a page of another origin. An open API has
	// no passwords: any page that its user visits could otherwise make tokens by a plain
	// form, or publish, since a message may come with any content type. Clients that are
	// no browsers send neither Sec-Fetch-Site nor Origin and notice nothing. With a key no
	// page gets far either: a browser sends Authorization to another origin only if that
	// allows it, and this one does not.
	origin http.CrossOriginProtection

	changing sync.Mutex // held while a token and its sessions are changed
}
