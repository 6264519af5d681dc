package server

import (
	"context"
	"fmt"
	"time"
)

// publishGrace is how long the end of the sessions waits for publishes under way. The publishes
// continue after it, but sessions that have ended miss the messages.
const publishGrace = 2 * time.Second

// Leave makes the server not ready: /readyz answers 503 on both ports, so that load balancers send
// new clients to other servers. Everything else still works until [Server.Shutdown].
func (s *Server) Leave() { s.stopping.Store(true) }

// Shutdown shuts the server down in this order:
//
//  1. /readyz answers 503, so that a load balancer with an open connection uses another server.
//  2. Both listeners close, so that the system refuses new connections at once. Clients connect
//     to another server, or try again.
//  3. Publishes under way finish while their subscribers are still connected. Otherwise
//     acknowledged messages would be lost.
//  4. The sessions end, spread over the drain time, so that the clients do not all reconnect to
//     other servers, or to this one's successor, at the same time.
//  5. The other nodes of a cluster are told. The engine, the authority and the NATS server of this
//     node close. They are last because the other steps use them.
//
// When ctx ends, Shutdown closes the remaining connections and returns an error. The sessions may
// need the whole drain time, so ctx must allow more time than that. All calls wait for the first
// one and return its result.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shutdownOnce.Do(func() { s.shutdownErr = s.shutdown(ctx) })
	return s.shutdownErr
}

func (s *Server) shutdown(ctx context.Context) error {
	s.Leave()
	s.stopBackground()
	s.tail.Close() // its readers are requests under way
	s.profiles.close()

	// http.Server.Shutdown first closes the listener and then waits for requests. It does not wait
	// for WebSockets, which the hub took over at their handshake.
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
		// Only connections that did not end in time are left.
		s.api.http.Close()
		s.ws.http.Close()
	}
	s.leaveCluster()
	if closed := s.engine.Close(); closed != nil {
		s.log.Error("closing the messages failed: the last ones may not be on disk", "error", closed)
	}
	if closed := s.authority.Close(); closed != nil {
		s.log.Error("closing the store of tokens, keys and revocations failed", "error", closed)
	}
	s.cluster.stopInside(context.WithoutCancel(ctx), s.log)
	if err != nil {
		return fmt.Errorf("not all connections ended in time, and the server closed the rest: %w", err)
	}
	return nil
}

// task is a function that runs on its own goroutine. err is valid after done has been closed.
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
