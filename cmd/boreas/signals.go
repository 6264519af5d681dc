package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// stopSignals handles the signals that end the server, for the whole life of the process.
type stopSignals struct {
	stop    chan os.Signal // SIGINT and SIGTERM
	hangups chan os.Signal
}

func newStopSignals() *stopSignals {
	// The buffer keeps a second signal that arrives while the first is processed.
	s := &stopSignals{stop: make(chan os.Signal, 4), hangups: make(chan os.Signal, 1)}
	signal.Notify(s.stop, os.Interrupt, syscall.SIGTERM)
	signal.Notify(s.hangups, syscall.SIGHUP)
	return s
}

// ignoreHangups logs each SIGHUP and does nothing else. The signal may come from a closed terminal,
// from logrotate, or from an operator who expects the server to reload its configuration.
func (s *stopSignals) ignoreHangups(log *slog.Logger) {
	go func() {
		for range s.hangups {
			log.Warn("SIGHUP is ignored: the server reads options only at its start, and reloads certificates by itself; restart it to change options")
		}
	}()
}

func (s *stopSignals) close() {
	signal.Stop(s.stop)
	signal.Stop(s.hangups)
	close(s.hangups) // after Stop, no signal is sent to it
}
