package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/server"
	"github.com/boreas-pubsub/boreas/v2/internal/systemd"
)

const (
	// startExtension is how much more time a slow start asks for, and extendEvery how often. Reading a
	// large directory takes long, and a node waits for a majority without limit. Neither is a start
	// that hangs, so the manager should wait as long as the process lives.
	startExtension = 30 * time.Second
	extendEvery    = 10 * time.Second

	// readyEvery and tellEvery are how often the server is asked whether it is ready: at the start,
	// and then for the status.
	readyEvery = 100 * time.Millisecond
	tellEvery  = 5 * time.Second
)

// supervised is what a service manager wants to know about a running server.
type supervised interface {
	Ready() error
	Sessions() int
	Check(ctx context.Context) error
}

// running is a server as the service manager sees it.
type running struct{ *server.Server }

func (r running) Sessions() int { return r.Hub().Sessions() }

// supervisor tells the service manager the state of the server. A nil supervisor has no manager. Its
// methods are called from one goroutine.
type supervisor struct {
	send     func(states ...string) error
	watchdog time.Duration // 0 means that nobody waits for signs of life
	log      *slog.Logger

	ready atomic.Bool // the manager knows that the start has ended
	phase func()      // ends the goroutines of the current phase
	told  string      // the error of the manager that was logged last; owned by tell
	mu    sync.Mutex
}

// newSupervisor returns the supervisor for the environment. It also takes over the sockets that the
// manager has opened.
func (p *program) newSupervisor(log *slog.Logger) (*supervisor, map[string]net.Listener, error) {
	// The variables are for this process only: a token provider must not use them.
	for _, name := range systemd.Variables {
		os.Unsetenv(name)
	}
	sockets, err := systemd.Listeners(p.env, []string{"api", "ws"})
	if err != nil {
		return nil, nil, usageError{err}
	}
	n, err := systemd.NewNotifier(p.env)
	if err != nil {
		log.Warn("the service manager cannot be told everything", "error", err)
	}
	if n == nil {
		return nil, sockets, nil
	}
	return &supervisor{send: n.Send, watchdog: n.Watchdog(), log: log}, sockets, nil
}

// tell sends states. It logs an error of the manager, but not twice in a row.
func (v *supervisor) tell(states ...string) {
	err := v.send(states...)
	text := ""
	if err != nil {
		text = err.Error()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if text != "" && text != v.told {
		v.log.Warn("the service manager cannot be told the state of the server", "error", err)
	}
	v.told = text
}

// begin ends the goroutines of the phase before and starts those of a new one.
func (v *supervisor) begin(all ...func(ctx context.Context)) {
	v.end()
	ctx, cancel := context.WithCancel(context.Background())
	var phase sync.WaitGroup
	for _, run := range all {
		phase.Go(func() { run(ctx) })
	}
	v.phase = func() { cancel(); phase.Wait() }
}

// end ends the goroutines of the current phase.
func (v *supervisor) end() {
	if v != nil && v.phase != nil {
		v.phase()
		v.phase = nil
	}
}

// starting tells that the server starts, and asks for more time until another method is called.
func (v *supervisor) starting() {
	if v == nil {
		return
	}
	v.begin(func(ctx context.Context) {
		status := systemd.Status("starting")
		every(ctx, extendEvery, func() bool {
			v.tell(status, systemd.Extend(startExtension))
			return true
		})
	})
}

// started tells when the server is ready, then its status, and gives signs of life. Both ports of the
// server accept connections.
func (v *supervisor) started(s supervised) {
	if v == nil {
		return
	}
	v.begin(func(ctx context.Context) { v.watchReady(ctx, s) }, func(ctx context.Context) { v.watch(ctx, s) })
}

// watchReady waits until the server is ready, tells so, and then tells changes of its status.
func (v *supervisor) watchReady(ctx context.Context, s supervised) {
	last, extended := "", time.Time{}
	every(ctx, readyEvery, func() bool {
		err := s.Ready()
		if err == nil {
			last = status(s)
			v.tell(systemd.Ready, last)
			v.ready.Store(true)
			return false
		}
		now, text := time.Now(), status(s)
		if text != last || now.Sub(extended) >= extendEvery {
			last, extended = text, now
			v.tell(last, systemd.Extend(startExtension))
		}
		return true
	})
	every(ctx, tellEvery, func() bool {
		if now := status(s); now != last {
			last = now
			v.tell(now)
		}
		return true
	})
}

// status describes the server in one line.
func status(s supervised) string {
	if err := s.Ready(); err != nil {
		return systemd.Status(fmt.Sprintf("not ready: %v; sessions: %d", err, s.Sessions()))
	}
	return systemd.Status(fmt.Sprintf("ready; sessions: %d", s.Sessions()))
}

// watch gives a sign of life twice in the time that the manager waits, but only when the server has
// passed its check. A check that never returns ends the signs of life, and the manager ends the process.
func (v *supervisor) watch(ctx context.Context, s supervised) {
	if v.watchdog == 0 {
		return
	}
	every(ctx, v.watchdog/2, func() bool {
		late := time.AfterFunc(v.watchdog/2, func() {
			v.log.Error("the server does not pass its own check: the service manager will end it", "watchdog", v.watchdog)
		})
		defer late.Stop()
		checked := make(chan error, 1)
		go func() { checked <- s.Check(ctx) }()
		select {
		case err := <-checked:
			if late.Stop(); err == nil { // a manager that does not read is not the server's fault
				v.tell(systemd.Alive)
			}
		case <-ctx.Done(): // of a check that is stuck, only its goroutine is left
		}
		return true
	})
}

// reloading tells that the server reads its configuration again, and returns what to call afterwards.
// A manager that still waits for the end of the start hears nothing, because it would take the end of
// the reload for that.
func (v *supervisor) reloading() (reloaded func()) {
	if v == nil || !v.ready.Load() {
		return func() {}
	}
	v.tell(systemd.Reloading, systemd.Monotonic())
	return func() { v.tell(systemd.Ready) }
}

// stopping tells that the server ends, why, and how long that takes at most. The signs of life go on
// without a check: the end has a limit of its own, and the ports close.
func (v *supervisor) stopping(reason string, limit time.Duration) {
	if v == nil {
		return
	}
	v.tell(systemd.Stopping, systemd.Status("stopping: "+reason), systemd.Extend(limit))
	v.begin(func(ctx context.Context) {
		if v.watchdog > 0 {
			every(ctx, v.watchdog/2, func() bool {
				v.tell(systemd.Alive)
				return true
			})
		}
	})
}

// every calls run at once and then periodically, until it returns false or ctx ends.
func every(ctx context.Context, period time.Duration, run func() bool) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for ctx.Err() == nil && run() {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
