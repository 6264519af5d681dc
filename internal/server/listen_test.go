package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
)

// TestPortTaken starts a server on a port that is in use, for each of the two ports.
func TestPortTaken(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // Windows has other error numbers
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for which, change := range map[string]func(*config.Config){
		"api": func(c *config.Config) { c.APIPort = port },
		"ws":  func(c *config.Config) { c.WSPort = port },
	} {
		_, err := Start(t.Context(), testConfig(change), Options{})
		want := fmt.Sprintf("cannot listen on %v: another program has this port: stop it, or choose another with --%s-port", taken.Addr(), which)
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestNoListenerIsLeft: if the second port cannot be opened, the first one is closed again.
func TestNoListenerIsLeft(t *testing.T) {
	s := &Server{cfg: testConfig(func(c *config.Config) { c.WSPort = -1 })}
	if err := s.listen(t.Context(), Options{}); err == nil {
		t.Fatal("it accepts port -1")
	}
	if _, err := s.api.listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
}

func TestListenReason(t *testing.T) {
	fails := func(cause error) error {
		return &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", cause)}
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{fails(syscall.EACCES), "this user may not use this port: choose one above 1023 with --api-port"},
		{fails(syscall.EADDRNOTAVAIL), "this machine does not have that address: choose another with --api-host"},
		{&net.OpError{Op: "listen", Err: &net.DNSError{Name: "x"}}, "the host name cannot be resolved: choose another with --api-host"},
		{&net.OpError{Op: "listen", Err: errors.New("odd")}, "odd"},
		{context.Canceled, "context canceled"},
	} {
		if got := listenReason("api", test.err).Error(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

// fakeListener is a listener that has only an address.
type fakeListener struct {
	net.Listener
	ip string
}

func (l fakeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(l.ip), Port: 8001} }

func TestDebugOnlyWhereItIsSafe(t *testing.T) {
	load := func(flags map[string]string) config.Config {
		c, err := config.Load(config.Input{Flags: flags, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, test := range []struct {
		ip    string
		flags map[string]string
		want  bool
	}{
		{"127.0.0.1", nil, true},
		{"127.1.2.3", nil, true},
		{"::1", nil, true},
		{"0.0.0.0", nil, false},
		{"::", nil, false},
		{"10.0.0.1", nil, false},
		{"10.0.0.1", map[string]string{"debug": "true"}, true},
		{"127.0.0.1", map[string]string{"debug": "false"}, false},
	} {
		var log strings.Builder
		cfg := load(test.flags)
		s := &Server{cfg: cfg, log: NewLogger(&log, cfg, LogOptions{}), api: endpoint{listener: fakeListener{ip: test.ip}}}
		if got := s.debug(); got != test.want {
			t.Errorf("debug on %s with %v: %v, want %v", test.ip, test.flags, got, test.want)
		}
	}
}

// TestWriteTimeouts: a client that does not read cannot hold a connection forever.
func TestAnswersThatEndHaveATimeLimit(t *testing.T) {
	s := withTLS(t, testca.New(), Options{}, nil)
	if s.api.http.WriteTimeout != writeTimeout || s.ws.http.WriteTimeout != writeTimeout {
		t.Errorf("the API has the timeout %v, the subscribers' port %v", s.api.http.WriteTimeout, s.ws.http.WriteTimeout)
	}
	if got := s.ws.http.HTTP2; got.WriteByteTimeout != writeTimeout || got.MaxConcurrentStreams != maxStreams {
		t.Errorf("the options of HTTP/2 are %+v", got)
	}
}
