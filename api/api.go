// Package api serves the HTTP API: the classic API of Boreas 1.0 (2013), and the API for backends
// and operators.
//
//	POST   /token/                 creates a token
//	GET    /token/                 lists the tokens with an authenticated session
//	DELETE /token/{token}          revokes a token
//	GET    /{channel}/token/       lists the tokens of the sessions on a channel
//	POST   /broadcast/{channel}/   publishes to a channel
//	GET    /debug/token-dump       lists every valid token (with Options.Debug)
//	GET    /debug/recipient-dump   counts sessions and subscribers (with Options.Debug)
//	GET    /healthz                200 while the process lives
//	GET    /readyz                 200, or 503 with the reason
//	GET    /metrics                metrics for Prometheus; metrictable.go lists them
//	GET    /openapi.json           the whole API, as OpenAPI 3.1
//
//	POST   /v2/channels/{channel}/messages   publishes the body
//	GET    /v2/channels/{channel}/messages   returns history
//	DELETE /v2/channels/{channel}/messages   purges the history
//	POST   /v2/messages                      publishes many messages
//	GET    /v2/channels                      lists the channels
//	GET    /v2/channels/{channel}            describes a channel
//	GET    /v2/channels/{channel}/presence   returns the users on a channel
//	GET    /v2/sessions                      lists the live sessions
//	GET    /v2/sessions/{session}            describes a session
//	DELETE /v2/sessions/{session}            ends a session
//	GET    /v2/stats                         returns the hub's counters
//	GET    /v2/nodes                         lists the live nodes of a cluster
//	GET    /v2/refusals                      lists recent refusals with their reasons
//	GET    /v2/config                        lists the server's options
//	GET    /v2/caller                        describes the caller's key
//	GET    /v2/tail                          shows what happens, as a stream of events
//
//	POST   /v2/tokens            creates a token, with a user, rules and an expiry
//	GET    /v2/tokens            lists the tokens
//	GET    /v2/tokens/{id}       describes a token
//	PATCH  /v2/tokens/{id}       changes a token, and the rules of its sessions
//	DELETE /v2/tokens/{id}       deletes a token, and ends its sessions
//	POST   /v2/tokens/inspect    returns the requests that a token allows, and by which rule
//	POST   /v2/revocations       revokes tokens
//	GET    /v2/revocations       returns a revocation
//	DELETE /v2/revocations       deletes a revocation
//	POST   /v2/keys              creates an API key
//	GET    /v2/keys              lists the keys
//	DELETE /v2/keys/{id}         revokes a key, and the tokens that it created
//
// # Authorization
//
// The paths about the server's health and /openapi.json are open to everybody. All other paths need
// an API key with the verb that routes.go lists, in the header Authorization. Three paths below
// /v2/channels/, and publishing many messages, also accept a subscriber's token. Until the first
// key is created, the API may be open: see Options.Loopback.
//
// # Paths
//
// A trailing slash is part of a path. Without it the response is 404, not a redirect. A known path
// with another method gets 405. HEAD works where GET does.
//
// A channel's name is one percent-encoded segment of the path, so "a/b" is a%2Fb. Every channel
// name works, even one that is a word in a path. Some paths have two meanings, and the method
// selects one: POST /broadcast/token/ publishes to the channel "token", and GET /broadcast/token/
// lists the tokens on the channel "broadcast". Likewise GET /token/token/, GET /debug/token/ and
// GET /v2/token/ list the tokens on the channels "token", "debug" and "v2". An invalid channel name
// gets 400.
//
// Many clients resolve the segments "." and "..", in any spelling, before they send a path. Only
// clients that do not can publish to channels with these names.
//
// # Errors
//
// If the classic API refuses a request, the body contains the reason: {"errors": ["..."]}. Below
// /v2/, it is the error object of protocol 2, {"error": {...}}. Package fault has the table of all
// errors.
package api

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/limit"
	"github.com/boreas-pubsub/boreas/v2/refusal"
	"github.com/boreas-pubsub/boreas/v2/tail"
)

// Options are the settings of [Handler]. Only Authority is required.
type Options struct {
	// Authority checks keys, tokens and permissions.
	Authority *auth.Authority

	// Refusals records each refusal with its client, for /v2/refusals. nil means that none are
	// recorded.
	Refusals *refusal.Log

	// Tail is what /v2/tail shows. nil means nothing. The hub has the same one.
	Tail *tail.Log

	// Loopback means that only this machine can reach the API. Until the first key is created, such
	// an API accepts requests without a key if they name this machine ("localhost", a loopback
	// address, or one of Hosts). It refuses requests with a header of a proxy, because a proxy
	// would forward requests of other machines.
	Loopback bool

	// Insecure opens the API in the same way to every machine that can reach it. Without Loopback
	// and Insecure, the API refuses all requests until a key exists.
	Insecure bool

	// Hosts are further names of this machine under which the API can be requested. A name without
	// a port matches any port.
	Hosts []string

	// Limits bound the requests of one key or user per second, and the failed attempts of an
	// address. nil means no limits.
	Limits *limit.Limits

	// Debug enables the two debug dumps, which show every token.
	Debug bool

	// MaxBody is the largest accepted body of a request, in bytes. A larger one gets 413. 0 means
	// [DefaultMaxBody].
	MaxBody int64

	// BodyTimeout is how long a request's body may take to arrive after its header. A slower one
	// gets 408. 0 means [DefaultBodyTimeout].
	BodyTimeout time.Duration

	// Uncompressed means that responses are never compressed, whatever the client accepts. The API
	// reads compressed bodies nevertheless.
	Uncompressed bool

	// Node is the name of this node of a cluster, and Nodes are the other nodes. Nil means that there
	// is no cluster. The hub has the same name, and Authority has a store that all nodes share.
	Node  string
	Nodes Nodes

	// Version is the version of the program, for /v2/caller. "" means that it is unknown.
	Version string

	// Config returns the options of the program, for /v2/config. Nil means that there are none.
	Config func() []ConfigOption

	// Ready returns why the server should receive no traffic now, or nil if it should. If Ready is
	// nil, the server is always ready.
	Ready func() error

	// Registry contains the metrics of /metrics. Handler adds the metrics of the hub, the API and
	// the process. nil means a new registry. Each Handler needs its own.
	Registry *prometheus.Registry

	// Log receives failures of the server. nil means no log.
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
	s.handleNodes()
	t := s.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(t, w, r) })
}

// service is the shared state of the handlers.
type service struct {
	hub     *boreas.Hub
	options Options
	counts  counts

	// origin refuses requests that a browser sends for a page of another origin. An open API has no
	// passwords: without this check, any page that its user visits could create tokens with a plain
	// form, or publish, because a message may have any content type. Clients other than browsers
	// send neither Sec-Fetch-Site nor Origin, so the check does not affect them. If the API needs a
	// key, a page cannot send it: a browser sends Authorization to another origin only if that
	// origin allows it, and this server does not.
	origin http.CrossOriginProtection

	changing sync.Mutex // held while a token and its sessions change

	badAnswers badAnswers
	watches    nodeWatches
}
