package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// stopSignals handles the signals of the server, for the whole life of the process.
type stopSignals struct {
	stop    chan os.Signal // SIGINT and SIGTERM
	hangups chan os.Signal // SIGHUP
}

func newStopSignals() *stopSignals {
	// The buffer keeps a second signal that arrives while the first is processed. A hangup that arrives
	// during the start or a reload causes one reload afterwards.
	s := &stopSignals{stop: make(chan os.Signal, 4), hangups: make(chan os.Signal, 1)}
	signal.Notify(s.stop, os.Interrupt, syscall.SIGTERM)
	signal.Notify(s.hangups, syscall.SIGHUP)
	return s
}

// reloadMargin is how long the end of the process waits for a reload under way. A reload may wait
// forever for a file, for example a named pipe or one of a file server that is gone.
const reloadMargin = time.Second

// onHangup calls reload for each SIGHUP, until the returned function is called, which waits for a
// reload under way, but at most for reloadMargin. A closed terminal also sends the signal; a reload does no harm then.
func (s *stopSignals) onHangup(reload func()) (end func()) {
	ended := make(chan struct{})
	var loop sync.WaitGroup
	loop.Go(func() {
		for {
			select {
			case <-s.hangups:
				reload()
			case <-ended:
				return
			}
		}
	})
	return func() {
		close(ended)
		done := make(chan struct{})
		go func() { loop.Wait(); close(done) }()
		timer := time.NewTimer(reloadMargin)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		}
	}
}

// close gives the signals back. The program still does not end by a SIGHUP: nothing reads it.
func (s *stopSignals) close() {
	signal.Stop(s.stop)
	signal.Stop(s.hangups)
}
