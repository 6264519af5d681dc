package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// fakeServer is a server whose state the test sets.
type fakeServer struct {
	mu       sync.Mutex
	ready    error
	sessions int
	stuck    bool
}

func (f *fakeServer) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready
}

func (f *fakeServer) Sessions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions
}

func (f *fakeServer) Check(ctx context.Context) error {
	f.mu.Lock()
	stuck := f.stuck
	f.mu.Unlock()
	if stuck {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (f *fakeServer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// TestSupervisor compares everything that the manager hears during the life of a server, with the time.
func TestSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var heard []string
		start := time.Now()
		say := func(text string) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, fmt.Sprintf("%.2f %s", time.Since(start).Seconds(), text))
		}
		var log testlog.Buffer
		v := &supervisor{watchdog: 20 * time.Second, log: slog.New(slog.NewTextHandler(&log, nil)), send: func(states ...string) error {
			text := strings.Join(states, " ")
			if before, after, ok := strings.Cut(text, "MONOTONIC_USEC="); ok && len(after) > 0 {
				text = before + "MONOTONIC_USEC=n"
			}
			say(text)
			return nil
		}}
		s := &fakeServer{ready: errors.New("no majority")}
		v.starting()
		time.Sleep(11500 * time.Millisecond)
		v.started(s)
		time.Sleep(950 * time.Millisecond) // between two looks, as all changes below
		s.set(func() { s.ready = nil })
		time.Sleep(9 * time.Second)
		s.set(func() { s.sessions = 3 })
		time.Sleep(5 * time.Second)
		reloaded := v.reloading()
		reloaded()
		s.set(func() { s.stuck, s.ready = true, errors.New("the disk has failed") })
		time.Sleep(60 * time.Second)
		say("-")
		v.stopping("terminated", 30*time.Second)
		time.Sleep(11 * time.Second)
		v.end()
		time.Sleep(time.Minute)

		want := []string{
			"0.00 STATUS=starting EXTEND_TIMEOUT_USEC=30000000",
			"10.00 STATUS=starting EXTEND_TIMEOUT_USEC=30000000",
			"11.50 STATUS=not ready: no majority; sessions: 0 EXTEND_TIMEOUT_USEC=30000000",
			"11.50 WATCHDOG=1",
			"12.50 READY=1 STATUS=ready; sessions: 0",
			"21.50 WATCHDOG=1",
			"22.50 STATUS=ready; sessions: 3",
			"26.45 RELOADING=1 MONOTONIC_USEC=n",
			"26.45 READY=1",
			"27.50 STATUS=not ready: the disk has failed; sessions: 3",
			"86.45 -",
			"86.45 STOPPING=1 STATUS=stopping: terminated EXTEND_TIMEOUT_USEC=30000000",
			"86.45 WATCHDOG=1",
			"96.45 WATCHDOG=1",
		}
		// The goroutines of a phase run in any order at one moment.
		if len(heard) > 3 && strings.HasSuffix(heard[2], "WATCHDOG=1") {
			heard[2], heard[3] = heard[3], heard[2]
		}
		if diff := cmp.Diff(want, heard); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "the server does not pass its own check") {
			t.Errorf("log: %q", lines)
		}
	})
}

func TestSupervisorWithoutAManager(t *testing.T) {
	var v *supervisor
	v.starting()
	v.started(&fakeServer{})
	v.reloading()()
	v.stopping("", 0)
	v.end()
}

// TestSupervisorLogsAnErrorOnce: a manager that is gone must not fill the log.
func TestSupervisorLogsAnErrorOnce(t *testing.T) {
	var log testlog.Buffer
	var fails error
	v := &supervisor{log: slog.New(slog.NewTextHandler(&log, nil)), send: func(...string) error { return fails }}
	for _, err := range []error{errors.New("gone"), errors.New("gone"), nil, errors.New("gone")} {
		fails = err
		v.tell("X=1")
	}
	if lines := log.Lines(); len(lines) != 2 {
		t.Errorf("log: %q", lines)
	}
}

// TestSlowManager: the log does not blame the server if the manager does not read.
func TestSlowManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, told := testlog.New()
		slow := func(...string) error {
			time.Sleep(time.Second)
			return errors.New("i/o timeout")
		}
		v := &supervisor{send: slow, watchdog: time.Second, log: log}
		v.started(&fakeServer{})
		time.Sleep(10 * time.Second)
		v.end()
		if lines := strings.Join(told.Lines(), "\n"); strings.Contains(lines, "own check") || !strings.Contains(lines, "i/o timeout") {
			t.Error(lines)
		}
	})
}
