package server

import (
	"context"
	"fmt"
	"time"
)

// publishGrace is how long publishes under way delay the end of the sessions. They continue
// after it, but sessions that have ended miss their messages.
const publishGrace = 2 * time.Second

// Leave makes the server not ready: /readyz answers 503 on both ports, so that load
// balancers send new clients to other servers. Everything else is served as before, until
// [Server.Shutdown].
func (s *Server) Leave() { s.stopping.Store(true) }

// Shutdown ends the server in this order:
//
//  1. It says on /readyz that it is not ready, so that a load balancer that asks on
//     a connection it has open looks elsewhere.
//  2. Both listeners close, so that nothing new begins: who comes now is refused at
//     once by the system and goes to another server, or comes back.
//  3. Publishes that are under way finish, while those whom they are for are still
//     there. This comes before the sessions end, or acknowledged messages were lost.
//  4. The sessions end, spread over the drain time, so that they do not all come back
//     to the other servers, or to this one's successor, in the same instant.
//  5. The engine and what knows the tokens close: last, because all of the above use them.
//
// When ctx ends, what is still there is cut off, and the error says so. The drain
// time does not end by itself: give ctx more time than that. All calls wait for the
// first and return what it returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shutdownOnce.Do(func() { s.shutdownErr = s.shutdown(ctx) })
	return s.shutdownErr
}

func (s *Server) shutdown(ctx context.Context) error {
	s.Leave()
	s.stopBackground()

	// http.Server.Shutdown closes the listener before anything else, and then waits
	// for requests. WebSockets are not among them: they were taken over at their
	// handshake, and belong to the hub.
	handshakes := background(func() error { return s.ws.http.Shutdown(ctx) })
	requests := background(func() error { return s.api.http.Shutdown(ctx) })
	s.serving.Wait()

	select {
	case <-requests.done:
	case <-time.After(publishGrace):
	}
	stats := s.hub.Stats()
	s.log.Info("ending sessions", "sessions", stats.Anonymous+stats.Authenticated, "drain_time", s.cfg.DrainTime)
	hubErr := s.hub.Shutdown(ctx, s.cfg.DrainTime)

	<-requests.done
	<-handshakes.done
	err := firstError(hubErr, requests.err, handshakes.err)
	if err != nil {
		// Only what did not end in time is left to be cut off.
		s.api.http.Close()
		s.ws.http.Close()
	}
	s.engine.Close()
	if closed := s.authority.Close(); closed != nil {
		s.log.Error("the tokens, keys and revocations could not be closed as they should", "error", closed)
	}
	if err != nil {
		return fmt.Errorf("not all connections ended in time, those left were cut off: %w", err)
	}
	return nil
}

// task is something that runs on a goroutine of its own; err is set once done is closed.
type task struct {
	done chan struct{}
	err  error
}

func background(run func() error) *task {
	t := &task{done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.err = run()
	}()
	return t
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
