package server

import (
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// LogOptions are the settings of a log beside those of the configuration.
type LogOptions struct {
	// Level, if not nil, is set to the level of the configuration. Changes of it take effect at once.
	Level *slog.LevelVar

	// Journal means that w is a connection to the journal of systemd. Lines of text then begin with
	// their severity and have no time.
	Journal bool
}

// NewLogger returns a logger that writes to w, with the level and the format in cfg.
func NewLogger(w io.Writer, cfg config.Config, o LogOptions) *slog.Logger {
	if o.Level == nil {
		o.Level = new(slog.LevelVar)
	}
	o.Level.Set(levelOf(cfg))
	options := &slog.HandlerOptions{Level: o.Level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	if o.Journal {
		return slog.New(newJournalHandler(w, *options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// levelOf returns the level in cfg.
func levelOf(cfg config.Config) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return slog.LevelInfo // package config does not allow other values
	}
	return level
}

// logMetric reports how many log lines were dropped.
func logMetric(dropped func() uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "boreas_log_lines_dropped_total",
		Help: "Dropped lines of the log, because its reader was too slow or writing failed.",
	}, func() float64 {
		if dropped == nil {
			return 0
		}
		return float64(dropped())
	})
}

// logStart logs facts about the start that an operator may need later.
func (s *Server) logStart(debug bool, account descriptors) {
	connections := account.sessions
	for _, note := range s.cfg.Notes {
		s.log.Warn(note)
	}
	if _, inMemory := s.engine.(*memory.Engine); inMemory {
		s.log.Info("messages are kept in memory: a restart loses them", "history_memory", s.cfg.HistoryMemory)
	}
	s.logKept()
	s.logDescriptors(account)
	if !isLoopback(s.APIAddr()) {
		if !s.authority.HasKeys() {
			s.log.Warn("the API has no keys (api_insecure): everyone who reaches this address can publish and make tokens; let only your backends reach it",
				"api", s.APIAddr().String())
		}
		if s.cfg.Debug && !debug {
			s.log.Info("the debug URLs are off, because the API is not on a loopback address; --debug turns them on")
		}
	}
	if !s.cfg.RequireAuth {
		s.log.Warn("require_auth is off: users need not authenticate")
	}
	if most := s.cfg.AddressConnections; !isLoopback(s.WSAddr()) && connections > 0 && (most == 0 || most >= connections) {
		s.log.Warn("one address may use all connections: set address_connections lower than max_connections", "address_connections", most, "max_connections", connections)
	}
	s.log.Info("running",
		"api", s.api.tls.shown("https", s.APIAddr().String()), "ws", s.ws.tls.shown("wss", s.WSAddr().String()), "config", s.cfg.File,
		"tokens", s.authority.Len(), "debug", debug, "max_connections", connections, "sockets", s.sockets())
}

// logKept logs the contents of the data directory. A server that is started with the wrong
// directory creates a new one without keys, and its API is open.
func (s *Server) logKept() {
	kept := s.authority.Kept()
	if kept.Dir == "" {
		return
	}
	open := !s.authority.HasKeys()
	s.log.Info("tokens, keys and revocations are stored on disk", "data_dir", kept.Dir, "new", kept.New,
		"keys", kept.Keys, "tokens", kept.Tokens, "revocations", kept.Revocations, "api_needs_key", !open)
	if kept.New && open {
		s.log.Warn("data_dir is new, so the API has no keys and is open until you make one; if you have made keys before, they are in another directory",
			"data_dir", kept.Dir)
	}
}

// sockets says which listeners the service manager has opened.
func (s *Server) sockets() string {
	switch {
	case s.api.given && s.ws.given:
		return "both from the service manager"
	case s.api.given:
		return "api from the service manager"
	case s.ws.given:
		return "ws from the service manager"
	}
	return "own"
}
