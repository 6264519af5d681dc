package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/peer"
	"github.com/boreas-pubsub/boreas/v2/internal/pulse"
)

const (
	// idleTimeout is how long a publisher's connection is kept open between requests.
	idleTimeout = 2 * time.Minute

	// writeTimeout is how long a response of the API may take, from the request's header on. It
	// limits how long a client that does not read occupies a goroutine and a descriptor. The
	// request's body may take ten seconds of it. On the subscribers' port it applies to finite
	// responses, such as boreas.js. Event streams and WebSockets have no such limit, because they
	// do not end.
	writeTimeout = time.Minute

	// maxHeader is the maximum size of a request's header in bytes. The longest useful path has 4
	// KiB: that of a token to be deleted.
	maxHeader = 16 << 10
)

// listen opens both listeners, unless the options have them. After an error none is open.
func (s *Server) listen(ctx context.Context, o Options) (err error) {
	s.api.given, s.ws.given = o.APIListener != nil, o.WSListener != nil
	api := o.APIListener
	if api == nil {
		if api, err = listenOn(ctx, net.ListenConfig{}, "api", s.cfg.APIAddr()); err != nil {
			closeGiven(o)
			return err
		}
	}
	s.api.accept(api, s.api.tls == nil)
	ws := o.WSListener
	if ws == nil {
		// The hub pings sessions and so finds dead peers. Keep-alive probes would only cost system
		// calls for each connection.
		if ws, err = listenOn(ctx, net.ListenConfig{KeepAlive: -1}, "ws", s.cfg.WSAddr()); err != nil {
			api.Close()
			return err
		}
	}
	s.ws.accept(ws, false)
	return nil
}

// accept sets the endpoint's listener. If plainAPI is set, its connections are an [apiConn] each.
func (e *endpoint) accept(l net.Listener, plainAPI bool) {
	e.accepting = new(pulse.Pulse)
	e.accepting.Work() // until Accept is called
	e.listener = acceptor{l, e.accepting, e.given, plainAPI}
}

// closeGiven closes the listeners of the options.
func closeGiven(o Options) {
	for _, l := range []net.Listener{o.APIListener, o.WSListener} {
		if l != nil {
			l.Close()
		}
	}
}

// acceptor is a listener that shows whether its loop still accepts connections.
type acceptor struct {
	net.Listener
	pulse *pulse.Pulse
	given bool // the listener is from the options, so its connections have keep-alive probes

	plainAPI bool
}

// Accept implements [net.Listener].
func (a acceptor) Accept() (net.Conn, error) {
	a.pulse.Rest()
	defer a.pulse.Work()
	c, err := a.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && a.given {
		tcp.SetKeepAlive(false) // without effect on a connection that has failed
	}
	if err == nil && a.plainAPI {
		return newAPIConn(c), nil
	}
	return c, err
}

// listenOn opens a listener. which is "api" or "ws", the prefix of the options' names.
func listenOn(ctx context.Context, lc net.ListenConfig, which, address string) (net.Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(address); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "tcp4" // for 0.0.0.0, "tcp" would also listen on every IPv6 address
		}
	}
	l, err := lc.Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, listenReason(which, err))
	}
	return l, nil
}

// behindProxies returns a listener that reads the PROXY protocol from trusted proxies.
func (s *Server) behindProxies(l net.Listener) net.Listener {
	return &peer.Listener{
		Listener: l,
		Proxies:  s.cfg.Trusted(),
		Timeout:  s.cfg.HeaderTimeout,
		Refused: func(proxy netip.Addr, err error) {
			if n := s.gate.count.proxyHeader.Add(); n > 0 {
				s.log.Warn("a connection of a trusted proxy was closed (proxy_protocol)", "proxy", proxy.String(), "error", err, "refused", n)
			}
		},
	}
}

// listenReason returns the reason of an error and a possible solution, if they are known.
func listenReason(which string, err error) error {
	var lookup *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program has this port: stop it, or choose another with --%s-port", which)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not use this port: choose one above 1023 with --%s-port", which)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("this machine does not have that address: choose another with --%s-host", which)
	case errors.As(err, &lookup):
		return fmt.Errorf("the host name cannot be resolved: choose another with --%s-host", which)
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

// httpServer returns an HTTP server for h that limits the resources of a client whose request has
// not yet reached a handler.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           s.surviving(s.boundUnread(h)),
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// isLoopback reports whether only this machine can reach the address.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// debug reports whether the debug URLs are served. They show every token, so by default they are
// served only if no other machine can reach the API.
func (s *Server) debug() bool {
	return s.cfg.Debug && (s.cfg.Given("debug") || isLoopback(s.APIAddr()))
}
