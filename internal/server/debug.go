package server

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"time"
)

const (
	// maxProfiles is the number of debug requests that are served at once. Each may take a processor.
	maxProfiles = 4

	// profileTimeout is how long a debug response may take, and maxProfile how long a profile may be
	// taken. The rest of the time is for the response.
	profileTimeout = 10 * time.Minute
	maxProfile     = 9 * time.Minute
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
		d.http.Close()     // first, so that serve does not take the closed listener for a failure
		d.listener.Close() // also if serve was not called
	}
}

// debugHandler returns the handler of the debug listener.
func debugHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/{$}", listProfiles)
	mux.HandleFunc("/debug/pprof/{profile}", writeProfile)
	mux.HandleFunc("/debug/pprof/profile", func(w http.ResponseWriter, r *http.Request) {
		record(w, r, 30*time.Second, pprof.StartCPUProfile, pprof.StopCPUProfile)
	})
	mux.HandleFunc("/debug/pprof/trace", func(w http.ResponseWriter, r *http.Request) {
		record(w, r, time.Second, trace.Start, trace.Stop)
	})
	mux.Handle("/debug/vars", expvar.Handler())
	mux.Handle("/{$}", http.RedirectHandler("/debug/pprof/", http.StatusFound))
	return boundProfiles(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A web page can make a browser on this machine send requests, under the name of its own host.
		// Without an Origin, as for an image, Sec-Fetch-Site says that it is for a page.
		site := r.Header.Get("Sec-Fetch-Site")
		if !ofLoopback(r.Host) || r.Header.Get("Origin") != "" || site == "cross-site" || site == "same-site" {
			http.Error(w, "The debug listener answers only to loopback addresses, and not to web pages.", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// boundProfiles refuses requests while maxProfiles are being served.
func boundProfiles(next http.Handler) http.Handler {
	serving := make(chan struct{}, maxProfiles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case serving <- struct{}{}:
			defer func() { <-serving }()
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "Too many profiles are being taken: try again when one has ended.", http.StatusServiceUnavailable)
		}
	})
}

// These handlers are those of net/http/pprof without the differences between two profiles, which make
// the program half a megabyte larger. `go tool pprof -base` shows them.

// listProfiles names the profiles.
func listProfiles(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	names := []string{"profile?seconds=30", "trace?seconds=1"}
	for _, p := range pprof.Profiles() {
		names = append(names, p.Name()+"?debug=1")
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(w, "/debug/pprof/%s\n", name)
	}
}

// writeProfile writes a profile of package runtime/pprof. The parameter debug is the one of
// [pprof.Profile.WriteTo]; without it the format is that of `go tool pprof`.
func writeProfile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("profile")
	p := pprof.Lookup(name)
	if p == nil {
		http.Error(w, fmt.Sprintf("There is no profile %q: /debug/pprof/ lists them.", name), http.StatusNotFound)
		return
	}
	debug := 0
	if text := r.URL.Query().Get("debug"); text != "" {
		var err error
		if debug, err = strconv.Atoi(text); err != nil || debug < 0 || debug > 2 {
			http.Error(w, fmt.Sprintf("debug is %q: give 0, 1 or 2.", text), http.StatusBadRequest)
			return
		}
	}
	contentType(w, debug > 0)
	p.WriteTo(w, debug) //nolint:errcheck // the client has gone
}

// record writes what start records until stop is called, for the seconds that the request asks for.
func record(w http.ResponseWriter, r *http.Request, usual time.Duration, start func(io.Writer) error, stop func()) {
	length := usual
	if text := r.URL.Query().Get("seconds"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 16)
		length = time.Duration(seconds) * time.Second
		if err != nil || length == 0 || length > maxProfile {
			http.Error(w, fmt.Sprintf("seconds is %q: give a number from 1 to %d.", text, int(maxProfile.Seconds())), http.StatusBadRequest)
			return
		}
	}
	contentType(w, false)
	if err := start(w); err != nil {
		http.Error(w, fmt.Sprintf("Cannot begin: %v. Try again when the other one has ended.", err), http.StatusConflict)
		return
	}
	defer stop()
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

func contentType(w http.ResponseWriter, text bool) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if text {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
}

// ofLoopback reports whether a request's host is this machine.
func ofLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
