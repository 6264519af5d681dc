package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// stopSignals handles the signals that end the server, from its start to its end.
type stopSignals struct {
	stop    chan os.Signal // SIGINT and SIGTERM
	hangups chan os.Signal
}

func newStopSignals() *stopSignals {
	// Several signals can wait, so that a second signal is not lost while the first is processed.
	s := &stopSignals{stop: make(chan os.Signal, 4), hangups: make(chan os.Signal, 1)}
	signal.Notify(s.stop, os.Interrupt, syscall.SIGTERM)
	signal.Notify(s.hangups, syscall.SIGHUP)
	return s
}

// ignoreHangups logs each SIGHUP. The signal comes from a terminal that is closed, from
// logrotate, or from an operator that expects the configuration to be read again.
func (s *stopSignals) ignoreHangups(log *slog.Logger) {
	go func() {
		for range s.hangups {
			log.Warn("SIGHUP is ignored: the options are read only at the start, and certificates are read again by themselves; restart the server to change options")
		}
	}()
}

func (s *stopSignals) close() {
	signal.Stop(s.stop)
	signal.Stop(s.hangups)
	close(s.hangups) // nothing is sent to it after Stop
}
