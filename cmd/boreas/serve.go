package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
)

// shutdownMargin is how long connections may take to close after the drain time. For example, a
// peer may not answer a close frame, or a publish may arrive slowly.
const shutdownMargin = 15 * time.Second

// errSecondSignal ends the server at once after a second signal.
var errSecondSignal = errors.New("stopped by a second signal")

// serveCommand runs the server, like `boreas` without a command.
func serveCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:   "serve",
		Usage:  "run the server; the same as `boreas` alone",
		Flags:  optionFlags(),
		Action: p.serve,
	}
}

// serve runs the server until ctx ends or the process receives a signal.
func (p *program) serve(ctx context.Context, cmd *cli.Command) error {
	// Install the handler first: without it, a signal during a slow start would end the process.
	signals := newStopSignals()
	defer signals.close()
	cfg, err := p.loadConfig(cmd)
	if err != nil {
		return err
	}
	log, level, dropped := p.logInBackground(cfg)
	manager, sockets, err := p.newSupervisor(log)
	if err != nil {
		return err
	}
	defer manager.end()

	server.LimitMemory(log) // before the options that depend on it
	manager.starting()
	srv, first, err := start(ctx, cfg, server.Options{
		Banner: p.stdout, Log: log, LogLevel: level, LogDropped: dropped, Version: thisVersion(),
		APIListener: sockets["api"], WSListener: sockets["ws"],
	}, signals.stop)
	if err != nil {
		return err
	}
	manager.started(running{srv})
	defer signals.onHangup(func() { p.reload(cmd, srv, manager, log) })()
	return stopAfter(ctx, srv, first, signals.stop, cfg, log, manager)
}

// reload reads the configuration again and puts it into force as far as that is possible.
func (p *program) reload(cmd *cli.Command, srv *server.Server, manager *supervisor, log *slog.Logger) {
	defer manager.reloading()()
	next, err := p.readConfig(cmd)
	if err == nil {
		err = srv.Reload(next)
	}
	for _, e := range each(err) {
		log.Error("SIGHUP: the new configuration is not valid, so nothing has changed", "error", e)
	}
}

// start starts the server. It gives up if a signal arrives first, because a token provider may be
// slow. If the server has started in spite of a signal, start returns both.
func start(ctx context.Context, cfg config.Config, o server.Options, signals <-chan os.Signal) (srv *server.Server, first os.Signal, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := make(chan struct{})
	go func() {
		defer close(started)
		srv, err = server.Start(ctx, cfg, o)
	}()
	select {
	case <-started:
	case first = <-signals:
		cancel()
		select {
		case <-started:
		case second := <-signals:
			return nil, first, fmt.Errorf("%w (%v) while starting", errSecondSignal, second)
		}
		if err != nil {
			err = fmt.Errorf("stopped by a signal (%v) while starting", first)
		}
	}
	return srv, first, err
}

// stopAfter waits for a reason to stop the server, and stops it. first is the signal that has
// already arrived, or nil.
func stopAfter(ctx context.Context, srv *server.Server, first os.Signal, signals <-chan os.Signal, cfg config.Config, log *slog.Logger, manager *supervisor) error {
	var failure error
	if first == nil {
		select {
		case first = <-signals:
		case failure = <-srv.Failed():
		case <-ctx.Done():
		}
	}
	reason := "asked to"
	switch {
	case first != nil:
		reason = first.String()
	case failure != nil:
		reason = failure.Error()
	}
	if first != nil && cfg.ShutdownDelay > 0 {
		srv.Leave()
		manager.stopping(reason+", still serving for shutdown_delay", cfg.ShutdownDelay+cfg.DrainTime+2*shutdownMargin)
		log.Info("no longer ready, but still serving; a second signal begins the shutdown", "reason", reason, "shutdown_delay", cfg.ShutdownDelay)
		failure = delay(srv, signals, cfg.ShutdownDelay)
	}
	manager.stopping(reason, cfg.DrainTime+2*shutdownMargin)
	log.Info("shutting down; a second signal ends the process at once, with exit code 1", "reason", reason, "drain_time", cfg.DrainTime)

	// Do not use ctx: it may have ended, and the shutdown still needs time.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTime+shutdownMargin)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- srv.Shutdown(ending) }()
	select {
	case err := <-ended:
		if err != nil {
			log.Warn("the server stopped with an error", "error", err)
		} else {
			log.Info("stopped")
		}
		return failure
	case second := <-signals:
		log.Warn("second signal: the process ends at once", "signal", second.String())
		return fmt.Errorf("%w before all sessions had ended", errSecondSignal)
	}
}

// delay waits until the time has passed, a signal arrives, or the server fails. It returns the
// server's error.
func delay(srv *server.Server, signals <-chan os.Signal, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-signals:
	case err := <-srv.Failed():
		return err
	}
	return nil
}
