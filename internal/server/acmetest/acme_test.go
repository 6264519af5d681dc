package acmetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
)

const domain = "push.example.com"

// authority is pebble. It validates for real, at the port of the server.
type authority struct {
	*httptest.Server
	port   chan int // the port to validate; earlier validations wait for it
	roots  *x509.CertPool
	orders atomic.Int64
}

// startAuthority starts an authority that validates once it knows the port.
func startAuthority(t *testing.T) *authority {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	a := &authority{port: make(chan int, 1), roots: x509.NewCertPool()}
	resolver := startDNS(t)
	handler := sync.OnceValue(func() http.Handler {
		quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
		issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
		a.roots.AddCert(issuer.GetRootCert(0).Cert)
		validator := va.New(quiet, 0, <-a.port, false, resolver, store)
		front := wfe.New(quiet, store, validator, issuer, []string{"pebble.example"}, false, false, 1, 1)
		return front.Handler()
	})
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/order-plz") {
			a.orders.Add(1)
		}
		handler().ServeHTTP(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

// caFile returns a file with the certificate of the authority's directory.
func (a *authority) caFile(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// startDNS starts a resolver that resolves every name to this machine.
func startDNS(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			answer.Answer = append(answer.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   net.IPv4(127, 0, 0, 1),
			})
		}
		w.WriteMsg(answer)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ActivateAndServe()
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// lines is a log. A test can wait for its lines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *lines) waitFor(t *testing.T, words string) string {
	for {
		l.mu.Lock()
		text := l.text.String()
		l.mu.Unlock()
		for line := range strings.Lines(text) {
			if strings.Contains(line, words) {
				return line
			}
		}
		select {
		case <-l.more:
		case <-t.Context().Done():
			t.Fatalf("%q is not logged:\n%s", words, text)
		}
	}
}

// start starts a server that obtains its certificates from the directory.
func start(t *testing.T, directory, caFile, cache string, to io.Writer) *server.Server {
	cfg := config.Default()
	cfg.APIPort, cfg.WSPort, cfg.DrainTime = 0, 0, 0
	cfg.ACMEDomains, cfg.ACMECache, cfg.ACMEDirectory, cfg.ACMECA = domain, cache, directory, caFile
	s, err := server.Start(t.Context(), cfg, server.Options{Log: slog.New(slog.NewTextHandler(to, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, s *server.Server) {
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// handshake connects as a subscriber does, and returns the certificate.
func handshake(s *server.Server, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	dialer := &net.Dialer{Timeout: time.Minute}
	c, err := tls.DialWithDialer(dialer, "tcp", s.WSAddr().String(), &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// TestCertificate obtains a certificate. After a restart the server still has it, without a
// request.
func TestCertificate(t *testing.T) {
	a, cache := startAuthority(t), filepath.Join(t.TempDir(), "acme")
	ca := a.caFile(t)
	s := start(t, a.URL+wfe.DirectoryPath, ca, cache, io.Discard)
	a.port <- s.WSAddr().(*net.TCPAddr).Port
	first, err := handshake(s, domain, a.roots)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(s, "other.example.com", a.roots); err == nil || !strings.Contains(err.Error(), "remote error: tls:") {
		t.Errorf("a name that is not in acme_domains: %v", err)
	}
	if n := a.orders.Load(); n != 1 {
		t.Errorf("%d certificates were ordered, want 1", n)
	}
	stop(t, s)
	if info, err := os.Stat(cache); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache: %v, %v", info, err)
	}

	s = start(t, a.URL+wfe.DirectoryPath, ca, cache, io.Discard)
	defer stop(t, s)
	second, err := handshake(s, domain, a.roots)
	if err != nil {
		t.Fatal(err)
	}
	if !second.Equal(first) || a.orders.Load() != 1 {
		t.Errorf("after a restart: %d orders, the same certificate: %v", a.orders.Load(), second.Equal(first))
	}
}

// TestAuthorityThatCannotValidate: the log has the reason once.
func TestAuthorityThatCannotValidate(t *testing.T) {
	a := startAuthority(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.port <- nobody.Addr().(*net.TCPAddr).Port
	nobody.Close()
	logged := newLines()
	s := start(t, a.URL+wfe.DirectoryPath, a.caFile(t), t.TempDir(), logged)
	line := logged.waitFor(t, "the authority gave no certificate for the name")
	stop(t, s)
	for _, words := range []string{"level=ERROR", "name=" + domain, "on port 443", "no viable challenge"} {
		if !strings.Contains(line, words) {
			t.Errorf("there is no %q in %s", words, line)
		}
	}
}

// TestDirectoryThatIsNotThere: the log has the reason.
func TestDirectoryThatIsNotThere(t *testing.T) {
	gone := httptest.NewTLSServer(nil)
	gone.Close()
	logged := newLines()
	s := start(t, gone.URL+"/dir", "", t.TempDir(), logged)
	line := logged.waitFor(t, "the authority gave no certificate for the name")
	_, err := handshake(s, domain, nil)
	stop(t, s)
	if err == nil {
		t.Error("there was a certificate")
	}
	for _, words := range []string{"level=ERROR", "name=" + domain, "directory=" + gone.URL, "connection refused"} {
		if !strings.Contains(line, words) {
			t.Errorf("there is no %q in %s", words, line)
		}
	}
}

// TestStopWhileAsking shuts down a server whose authority does not answer.
func TestStopWhileAsking(t *testing.T) {
	asked, never := make(chan struct{}), make(chan struct{})
	a := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-never
	}))
	defer a.Close()
	defer close(never)
	s := start(t, a.URL, (&authority{Server: a}).caFile(t), t.TempDir(), io.Discard)
	<-asked
	stop(t, s)
}
