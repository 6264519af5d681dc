//go:build noembed

package embed

import (
	"context"
	"net"
)

// Server does not exist in this build; see [ErrNotBuilt].
type Server struct{}

// Start returns [ErrNotBuilt].
func Start(context.Context, Options) (*Server, error) { return nil, ErrNotBuilt }

// InProcessConn returns [ErrNotBuilt].
func (*Server) InProcessConn() (net.Conn, error) { return nil, ErrNotBuilt }

// Credentials returns nothing.
func (*Server) Credentials() (user, password string) { return "", "" }

// Status returns the zero Status.
func (*Server) Status() Status { return Status{} }

// Shutdown does nothing.
func (*Server) Shutdown(context.Context) error { return nil }
