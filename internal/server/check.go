package server

import (
	"context"
	"fmt"
)

// Check shows that the server is not stuck: both ports accept connections, and the hub and the store
// of tokens still take and release their locks. It returns nil or an error when ctx ends. If a lock is
// never released, Check does not return, so give it a goroutine of its own.
//
// It does not ask whether the disk, the cluster or an authority answers. A server that waits for them
// still serves its subscribers, says so at /readyz, and continues when they are back. A restart would
// end all sessions and help with nothing.
func (s *Server) Check(ctx context.Context) error {
	if err := s.hub.Check(ctx); err != nil {
		return err
	}
	s.authority.Len()
	if s.stopping.Load() {
		return nil // the ports close
	}
	for name, port := range map[string]endpoint{"api": s.api, "ws": s.ws} {
		if err := port.accepting.Await(ctx); err != nil && !s.stopping.Load() {
			return fmt.Errorf("the %s port does not accept connections: %w", name, err)
		}
	}
	return nil
}
