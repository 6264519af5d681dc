// Package server runs a server from a configuration: it loads the tokens, opens the two listeners,
// connects the hub, the API and the transports, and shuts everything down in order.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/pulse"
	"github.com/boreas-pubsub/boreas/v2/internal/socket"
	"github.com/boreas-pubsub/boreas/v2/limit"
	"github.com/boreas-pubsub/boreas/v2/refusal"
	"github.com/boreas-pubsub/boreas/v2/sse"
	"github.com/boreas-pubsub/boreas/v2/tail"
	"github.com/boreas-pubsub/boreas/v2/ws"
)

// Options are the settings of a server beside its configuration. The zero value is valid.
type Options struct {
	// Banner receives the lines for the operator at the start of the server. nil discards them.
	Banner io.Writer

	// Log receives the server's log. nil discards it.
	Log *slog.Logger

	// LogLevel, if not nil, is the level of Log, which [Server.Reload] changes.
	LogLevel *slog.LevelVar

	// LogDropped returns how many log lines were dropped, for the metrics. nil means that no line
	// is ever dropped.
	LogDropped func() uint64

	// Version is the version of the program, which the API and the other nodes of a cluster show.
	Version string

	// Engine stores the publications. Shutdown closes it. nil means the engine of the configuration;
	// see [NewEngine].
	Engine engine.Engine

	// APIListener and WSListener, if not nil, are used in place of listeners that Start opens. The
	// server closes them, even if Start fails.
	APIListener, WSListener net.Listener

	// WrapEngine, if not nil, returns the engine to use in place of the given one. Tests plant mistakes
	// with it.
	WrapEngine func(engine.Engine) engine.Engine
}

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	// Immutable after Start.
	cfg       config.Config
	log       *slog.Logger
	hub       *boreas.Hub
	engine    engine.Engine
	cluster   *clusterNode // nil if this is the only node
	authority *auth.Authority
	refusals  *refusal.Log
	tail      *tail.Log
	gate      *gate
	limits    *limit.Limits
	api       endpoint
	ws        endpoint
	profiles  *debugPort

	stopBackground context.CancelFunc // of the background goroutines
	jwt            *auth.JWT          // nil without jwt_keys
	level          *slog.LevelVar     // of log; may be nil

	// What Reload can change.
	reloading sync.Mutex // held during a reload
	inForce   atomic.Pointer[config.Config]
	rules     *liveRules
	origins   liveOrigins

	// Safe for concurrent use.
	sseCount sse.Counters
	panics   atomic.Uint64 // of requests
	sharing  atomic.Int64  // requests for event streams that share their connection
	stopping atomic.Bool
	failed   chan error     // an error that ended a listener before Shutdown
	serving  sync.WaitGroup // the goroutines that accept connections, and the background goroutines

	shutdownOnce sync.Once
	shutdownErr  error // set by shutdownOnce
}

// endpoint is one of the two listeners and its HTTP server.
type endpoint struct {
	listener    net.Listener
	accepting   *pulse.Pulse // of the loop that accepts connections
	given       bool         // the listener is from the options
	http        *http.Server
	tls         *secured // nil without TLS
	connections *connections
}

// Start starts a server. When it returns without an error, both ports accept connections; call
// [Server.Shutdown] at the end. ctx limits only the start. An error is of the token provider, or a
// listener could not be opened; it has one line.
func Start(ctx context.Context, cfg config.Config, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	say := newBanner(o.Banner)
	events := tail.New()
	s := &Server{cfg: cfg, log: o.Log, tail: events, refusals: refusal.NewTold(events), failed: make(chan error, 2), level: o.LogLevel, rules: newRules(cfg)}
	s.inForce.Store(&cfg)
	s.origins.set(cfg)
	if err := s.secure(); err != nil {
		closeGiven(o)
		return nil, err
	}
	if err := s.listen(ctx, o); err != nil {
		return nil, err
	}
	var err error
	if s.profiles, err = s.openDebug(ctx); err == nil {
		err = s.open(ctx, o, say)
	}
	if err != nil {
		s.profiles.close()
		s.leaveCluster()
		s.cluster.stopInside(context.WithoutCancel(ctx), s.log)
		s.api.listener.Close()
		s.ws.listener.Close()
		return nil, err
	}
	debug := s.debug()
	account := s.account()
	s.hub = boreas.New(boreas.Options{
		Engine:           s.engine,
		EngineTimeout:    s.engineTimeout(),
		Node:             s.node(),
		PresenceChanged:  s.presenceChanged(),
		MaxSessions:      account.sessions,
		MaxChannels:      cfg.MaxChannels,
		PingInterval:     cfg.WSPingInterval,
		PongTimeout:      cfg.WSPingTimeout,
		AnonymousTimeout: cfg.AnonymousTimeout,
		PresenceLinger:   cfg.PresenceLinger,
		PresenceUsers:    cfg.PresenceUsers,
		Rules:            s.rules.Load(),
		Valid:            s.authority.Valid,

		PeerMemory:         cfg.PeerMemory,
		MaxUserSessions:    cfg.UserConnections,
		MaxUserChannels:    cfg.UserChannels,
		MaxAddressSessions: cfg.AddressConnections,
		MaxAddressChannels: cfg.AddressChannels,
		ChannelMemory:      channelMemory(cfg),
		ExemptAddresses:    cfg.Unlimited(),

		Sweepers: cfg.Workers,
		Tail:     s.tail,
	})
	s.authority.Attach(s.hub)
	if s.cluster != nil {
		s.cluster.roster.Start(s.hub, s.cluster.group)
	}
	counters := new(ws.Counters)
	registry := prometheus.NewRegistry()
	s.limits = s.newLimits(cfg)
	s.gate = newGate(gateOptions{
		perSecond: cfg.AcceptRate,
		origins:   &s.origins,
		proxies:   cfg.Trusted(),
		limits:    s.limits,
		refusals:  s.refusals,
		untrusted: s.newUntrusted(),
	}, s.subscribers(counters))
	s.boundConnections(account)
	registry.MustRegister(logMetric(o.LogDropped), wsMetrics{counters, &s.gate.count, s.ws.connections}, sseMetrics{&s.sseCount}, panicMetrics{&s.panics, counters, &s.sseCount}, limitMetrics{s.limits, &s.ws.connections.crowding}, connectionMetrics{account, map[string]*connections{"api": s.api.connections, "ws": s.ws.connections}}, tlsMetrics(s.secured()), s.newNodeMetrics())
	s.ws.http = s.httpServer(s.health(s.gate))
	s.ws.http.WriteTimeout = writeTimeout // streams of events remove it, and WebSockets are not subject to it
	s.ws.tls.apply(s.ws.http, cfg)
	s.ws.connections.watch(s.ws.http)
	s.api.http = s.httpServer(unwatched(limited(s.limits, cfg.Trusted(), cfg.MaxBody, s.page(api.Handler(s.hub, api.Options{
		Authority: s.authority,
		Node:      s.node(),
		Nodes:     s.others(),
		Version:   o.Version,
		Config:    func() []api.ConfigOption { return shownConfig(*s.inForce.Load()) },
		Refusals:  s.refusals,
		Tail:      s.tail,
		Limits:    s.limits,
		Loopback:  isLoopback(s.APIAddr()),
		Insecure:  cfg.APIInsecure,
		Hosts:     cfg.AllowedHosts(),
		Debug:     debug,
		MaxBody:   cfg.MaxBody,

		Uncompressed: !cfg.Compression,

		Ready:    s.Ready,
		Registry: registry,
		Log:      s.log,
	})))))
	s.api.http.WriteTimeout = writeTimeout
	s.api.connections.watch(s.api.http)
	s.api.tls.apply(s.api.http, cfg)
	background, cancel := context.WithCancel(context.Background())
	s.stopBackground = cancel
	s.serving.Go(func() { newTrimmer(s.hub.Footprint).run(background) })
	if s.cluster != nil {
		s.serving.Go(func() { s.sendAway(background) })
	}
	if cfg.ProxyProtocol {
		s.ws.listener = s.behindProxies(s.ws.listener)
	}
	if s.ws.tls == nil {
		s.ws.listener = s.ws.connections.behindDoor(s.ws.listener, s.ws.http)
	}
	s.serve("WebSocket", s.ws)
	s.serve("API", s.api)
	s.profiles.serve(s)
	for _, port := range s.secured() {
		s.serving.Go(func() { port.run(background) })
	}

	if debug {
		say.debugURLs()
	}
	say.listening(s.api.tls.shown("https", shownAddr(cfg.APIHost, s.APIAddr())), s.ws.tls.shown("wss", shownAddr(cfg.WSHost, s.WSAddr())), cfg.UI)
	s.logStart(debug, account)
	return s, nil
}

// connected returns how many sessions have a connection of their own.
func (s *Server) connected() int { return max(0, s.hub.Sessions()-int(s.sharing.Load())) }

// open opens the authority and the engine.
func (s *Server) open(ctx context.Context, o Options, say banner) error {
	if s.cfg.Clustered() && o.Engine == nil {
		if err := s.joinCluster(ctx, o.Version); err != nil {
			return err
		}
	}
	if err := s.admit(ctx, say); err != nil {
		return err
	}
	if s.engine = o.Engine; s.engine != nil {
		return nil
	}
	var err error
	s.engine, err = openEngine(ctx, func() (engine.Engine, error) {
		if s.cluster != nil {
			return s.cluster.openEngine(ctx, s.cfg, s.log, s.rules)
		}
		return newEngine(ctx, s.cfg, s.log, s.rules)
	})
	if err != nil {
		s.authority.Close()
		return err
	}
	if o.WrapEngine != nil {
		s.engine = o.WrapEngine(s.engine)
	}
	return nil
}

// admit prepares the authority for tokens and keys, and writes the banner about it.
func (s *Server) admit(ctx context.Context, say banner) error {
	say.tokenProvider(s.cfg.TokenProvider)
	if err := s.openAuthority(ctx); err != nil {
		return err
	}
	err := s.loadTokens(ctx)
	if err == nil {
		say.tokensLoaded(s.authority.Len())
		err = s.checkKeys()
	}
	if err != nil {
		s.authority.Close()
		return err
	}
	say.configuring(s.cfg.RequireAuth)
	return nil
}

// subscribers returns the handler for the subscribers' port.
func (s *Server) subscribers(counters *ws.Counters) http.Handler {
	o := ws.Options{
		Check:       s.authority.Check,
		NoAuth:      !s.cfg.RequireAuth,
		Cookie:      s.cfg.TokenCookie,
		AuthHeaders: s.cfg.AuthHeaders(),
		Limits:      s.limits,
		Refusals:    s.refusals,
		MaxMessage:  int(s.cfg.MaxMessage),

		NoCompression:  !s.cfg.Compression,
		CompressionMin: int(s.cfg.CompressionMin),

		Heartbeat:   s.cfg.WSPingInterval,
		MaxChannels: s.cfg.MaxChannels,
		Counters:    counters,
		Log:         s.log,
	}
	classic, protocol2 := welcoming(ws.Classic(s.hub, o)), ws.Handler(s.hub, o)
	events := s.events()
	client := clientScript()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == sse.Path:
			events.ServeHTTP(w, r)
		case path == "/boreas.js":
			client.ServeHTTP(w, r)
		case path == "/v2", strings.HasPrefix(path, "/v2/"): // writes its own errors
			protocol2.ServeHTTP(w, r)
		default: // its errors list the valid paths
			classic.ServeHTTP(w, r)
		}
	})
}

func (s *Server) loadTokens(ctx context.Context) error {
	loaded, err := auth.Load(ctx, s.cfg.TokenProvider, s.cfg.TokenProviderTimeout)
	if err != nil {
		return err
	}
	for _, token := range loaded {
		if err := s.authority.Add(token); err != nil {
			return err
		}
	}
	return nil
}

// serve accepts connections until the endpoint is closed.
func (s *Server) serve(name string, e endpoint) {
	s.serving.Go(func() {
		serve := e.http.Serve
		if e.tls != nil {
			serve = func(l net.Listener) error { return e.http.ServeTLS(socket.Listener(l), "", "") }
		}
		if err := serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("the %s listener on %v has failed: %w", name, e.listener.Addr(), err)
		}
	})
}

// APIAddr returns the address of the API, with the actual port.
func (s *Server) APIAddr() net.Addr { return s.api.listener.Addr() }

// WSAddr returns the address for subscribers, with the actual port.
func (s *Server) WSAddr() net.Addr { return s.ws.listener.Addr() }

// Hub returns the server's hub.
func (s *Server) Hub() *boreas.Hub { return s.hub }

// Failed returns a channel with an error if the server can no longer accept connections on one of
// its ports. Call Shutdown after that.
func (s *Server) Failed() <-chan error { return s.failed }
