package server

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

const (
	// maxProfiles is the number of debug requests that are served at once. Each may take a processor.
	maxProfiles = 4

	// profileTimeout is how long a debug response may take. Package pprof refuses to profile for longer.
	profileTimeout = 10 * time.Minute
)

// debugPort serves profiles on a listener of its own. A nil debugPort is off.
type debugPort struct {
	listener net.Listener
	http     *http.Server
}

// openDebug opens the debug listener, if the configuration has one.
func (s *Server) openDebug(ctx context.Context) (*debugPort, error) {
	if s.cfg.DebugListen == "" {
		return nil, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.DebugListen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on debug_listen: %w: choose another port", err)
	}
	h := s.httpServer(debugHandler())
	h.WriteTimeout = profileTimeout
	return &debugPort{l, h}, nil
}

// serve serves the port until close is called.
func (d *debugPort) serve(s *Server) {
	if d == nil {
		return
	}
	s.log.Info("profiles are served to every program on this machine", "debug_listen", d.listener.Addr().String())
	s.serving.Go(func() {
		if err := d.http.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the debug listener has failed", "error", err)
		}
	})
}

// close ends the port and its requests at once.
func (d *debugPort) close() {
	if d != nil {
		d.listener.Close() // also if serve was not called
		d.http.Close()
	}
}

// debugHandler returns the handler of the debug listener.
func debugHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.Handle("/debug/vars", expvar.Handler())
	mux.Handle("/{$}", http.RedirectHandler("/debug/pprof/", http.StatusFound))
	under := make(chan struct{}, maxProfiles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A web page can make a browser on this machine send requests, under the name of its own host.
		if !ofLoopback(r.Host) || r.Header.Get("Origin") != "" {
			http.Error(w, "The debug listener answers only to loopback addresses, and not to web pages.", http.StatusForbidden)
			return
		}
		select {
		case under <- struct{}{}:
			defer func() { <-under }()
		default:
			http.Error(w, "Too many profiles are being taken: try again when one has ended.", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ofLoopback reports whether a request's host is this machine.
func ofLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
